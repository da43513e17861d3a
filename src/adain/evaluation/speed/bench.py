"""A benchmark from start to end: what is asked for is measured in turns, each part's rows kept when it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity

from adain.data.sample import sample_folder
from adain.evaluation.speed import machine
from adain.evaluation.speed.candidates import measure
from adain.evaluation.speed.clock import synchronize
from adain.evaluation.speed.loading import measure_loading, measure_waiting, readable
from adain.evaluation.speed.loop import Training, measure_loop
from adain.evaluation.speed.memory import how, peak_memory
from adain.evaluation.speed.report import save
from adain.evaluation.speed.stages import OurStep, Setting, own_layout
from adain.evaluation.speed.training import measure_training
from adain.evaluation.store import Row
from adain.runtime.files import expanded
from adain.runtime.memory import keep_freed_memory
from adain.runtime.precision import fastest_precision
from adain.runtime.schema import BenchKind, MethodName


@dataclass(frozen=True)
class Benchmark:
    """What is measured: the keys of ``conf/inference/bench.yaml``, which says what each does; ``model`` is a name."""

    bench: BenchKind
    model: MethodName
    gatys_iterations: int
    reference: str | None
    sizes: Sequence[int]
    batch_sizes: Sequence[int]
    stylize_sizes: Sequence[int]
    stylize_batch_sizes: Sequence[int]
    precisions: Sequence[str] | None
    memory_formats: Sequence[str] | None
    compile: Sequence[bool]
    repeats: int
    steps: int
    least_seconds: float
    memory: bool
    profile: bool
    content: str | None
    style: str | None
    pictures: int
    resize: int
    crop: int
    workers: int

    def measure(self, results: dict[str, Any], folder: Path, say: Callable[[str], object], train: Training) -> None:
        """Measure all parts, telling ``say`` what begins; rows are kept in the folder while the work goes on.

        Args:
            results: Filled as the work goes on, for a part may fail: ``machine``, ``rates``, ``notes`` and ``rows``;
                ``memory`` and ``operators`` where they were asked for.
            folder: Where rows, a trace and a training go.
            say: Told what begins.
            train: Runs a training.
        """
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        results |= {"machine": machine.describe(device), "rates": {}, "notes": [], "rows": []}
        notes, rows = results["notes"], results["rows"]
        precisions = self._precisions(device, notes)
        parts = [self.bench] if self.bench != "all" else ["train", "stages", "stylize", "load"]
        if "train" in parts:  # first: one of its candidates needs the allocator as it is by default
            say("training step, plain and ours")
            rows += measure_training(self.sizes, self.batch_sizes, precisions, self.repeats, self.steps, device)
        keep_freed_memory()
        if works := [work for work in ("stages", "stylize") if work in parts]:
            rates = self._rates(precisions, device, results["rates"], say)
            for work in works:
                self._measure_work(work, precisions, rates, device, results, folder, say)
        if "video" in parts:
            from adain.evaluation.speed.video import measure_video  # needs PyAV

            say("a video, decoded, stylized and encoded")
            rows += measure_video(list(self.stylize_sizes), precisions, self.repeats, self.least_seconds, device)
        if "loop" in parts:
            say("the training loop beside a bare one")
            rows += measure_loop(train, 60 * self.repeats, folder / "training", device)
        if "load" in parts:
            rows += self._load(device, say)
        if self.profile:
            layout = own_layout(device, precisions[0])
            setting = Setting("stages", self.sizes[0], self.batch_sizes[0], precisions[0], layout)
            results["operators"] = _profile(OurStep(setting, device).step, folder / "trace.json", device)
            notes.append(f"trace: {folder}/trace.json, to be opened in ui.perfetto.dev")
        if device.type == "cpu":
            notes.append("no GPU here: its rows stay empty")
        else:
            notes.append("times are a GPU's own (CUDA events); floors are its convolutions, each measured by itself")

    def _precisions(self, device: torch.device, notes: list[str]) -> list[str]:
        """Return those asked for; by default float32, and bfloat16 where it is faster."""
        if self.precisions is not None:
            return list(self.precisions)
        fastest = fastest_precision(device)
        if fastest == "32-true":
            notes.append(
                "bf16-mixed: slower than 32-true on this machine, so its rows stay empty; "
                "precisions=32-true,bf16-mixed measures it all the same"
            )
        return list(dict.fromkeys(("32-true", fastest)))

    def _rates(
        self, precisions: Sequence[str], device: torch.device, shown: dict[str, Any], say: Callable[[str], object]
    ) -> dict[int, machine.Rates]:
        """Measure the machine's limits, by the bytes of a number."""
        rates = {}
        for precision in dict.fromkeys((*precisions, "32-true")):  # the port works in float32 whatever is asked of ours
            if precision in precisions:
                say(f"the machine's limits, {precision}")
            half = "16" in precision
            rates[2 if half else 4] = machine.measure(device, torch.bfloat16 if half else torch.float32)
            shown[precision] = rates[2 if half else 4]._asdict()
        return rates

    def _measure_work(
        self, work: str, precisions: Sequence[str], rates: dict[int, machine.Rates], device: torch.device,
        results: dict[str, Any], folder: Path, say: Callable[[str], object],
    ) -> None:  # fmt: skip
        for settings in self._settings(work, precisions, device):
            place = f"{work}, {settings[0].size} px, batch {settings[0].batch}"
            say(f"{place}: {len(settings)} candidates in turns")
            try:
                found = measure(settings, rates, self.repeats, self.least_seconds, device)
            except torch.OutOfMemoryError:
                results["notes"].append(f"{place}: left out, out of GPU memory")
                continue
            results["rows"] += found
            if self.memory:
                _add_memory(found, settings, device, results)
            save(folder, results)

    def _settings(self, work: str, precisions: Sequence[str], device: torch.device) -> Iterator[list[Setting]]:
        """Yield the candidates of each size and batch."""
        if self.model != "adain":
            for size in self.stylize_sizes:
                for batch in self.stylize_batch_sizes:
                    iterations = (3, self.gatys_iterations)
                    yield [Setting("method", size, batch, method=self.model, iterations=iterations)]
            return
        for size in self.sizes if work == "stages" else self.stylize_sizes:
            for batch in self.batch_sizes if work == "stages" else self.stylize_batch_sizes:
                found = []
                for precision in precisions:
                    for layout in self.memory_formats or [own_layout(device, precision)]:
                        found += [Setting(work, size, batch, precision, layout, c) for c in self.compile]
                        if device.type == "cuda":
                            found.append(Setting(work, size, batch, precision, layout, graph=True))
                if self.reference is not None:
                    found.append(Setting(work, size, batch, reference=self.reference))
                yield found

    def _load(self, device: torch.device, say: Callable[[str], object]) -> list[Row]:
        """Measure loading, of the sample pictures or a folder."""
        content, style = (
            expanded(folder)
            for folder in (self.content or sample_folder("content"), self.style or sample_folder("style"))
        )
        paths = [path for folder in (content, style) for path in readable(folder, self.pictures, self.resize)]
        say(f"loading, {len(paths)} pictures")
        rows = measure_loading(paths, self.resize, self.crop, self.repeats)
        if self.workers:
            batch = self.batch_sizes[0]
            step = OurStep(Setting("stages", self.crop, batch, memory_format=own_layout(device, "32-true")), device)

            def train(contents: Any, styles: Any) -> None:
                step.content, step.style = contents.to(device), styles.to(device)
                step.step()

            rows += measure_waiting(content, style, train, batch, self.resize, self.crop, self.workers, self.repeats)
        return rows


def _profile(step: Callable[[], object], path: Path, device: torch.device) -> list[Row]:
    """Run a step once to warm up and once under the profiler, and write its trace in Chrome's format.

    Returns:
        The ten operators with the most time, the slowest first: ``name``, ``calls``, ``seconds`` in itself, not in those it
        called, on the GPU where there is one, and its ``share`` of all operators' seconds.
    """
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    step()
    with torch.profiler.profile(activities=activities) as profile:
        step()
        synchronize(device)
    profile.export_chrome_trace(str(path))
    found: list[Row] = [
        {
            "name": event.key,
            "calls": event.count,
            "seconds": (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1e6,
        }
        for event in profile.key_averages()
        if not on_gpu or event.device_type.name == "CUDA"  # a CPU operator has the time of its kernels too
    ]
    whole = sum(row["seconds"] for row in found) or 1.0
    found.sort(key=lambda row: row["seconds"], reverse=True)
    return [row | {"share": row["seconds"] / whole} for row in found[:10]]


def _add_memory(rows: list[Row], settings: Sequence[Setting], device: torch.device, results: dict[str, Any]) -> None:
    results["memory"] = how(device)
    for setting in settings:
        if setting.graph:
            continue  # its memory is taken when it is recorded, not when it is replayed
        peaks = peak_memory(setting, device)
        for row in rows:
            if row["contestant"] == setting.name:
                row["peak_mib"] = peaks.get(row["stage"])
    note = f"MiB: peak of each stage; {how(device)}. floor: ms; share: floor / median. [a-b]: quartiles"
    if note not in results["notes"]:
        results["notes"].append(note)
