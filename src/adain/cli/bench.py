"""``make bench``: speed and memory, by stage, beside the limit of the machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from adain.cli.app import run
from adain.evaluation.speed.checkout import check_reference
from adain.runtime.errors import UserError
from adain.runtime.extras import install_command

if TYPE_CHECKING:
    import torch

    from adain.evaluation.speed.stages import Setting

_PRECISIONS = ("32-true", "bf16-mixed")
_FORMATS = ("channels_first", "channels_last")


def bench(config: DictConfig) -> None:
    """Measures what is asked for, prints it and saves it."""
    _check(config)
    import torch
    from hydra.core.hydra_config import HydraConfig
    from rich.console import Console

    from adain.cli.quiet import quieten
    from adain.evaluation.speed.candidates import measure
    from adain.evaluation.speed.machine import describe
    from adain.evaluation.speed.machine import measure as measure_machine
    from adain.evaluation.speed.report import log_to_wandb, save, show
    from adain.runtime.memory import keep_freed_memory

    quieten()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    folder = Path(HydraConfig.get().runtime.output_dir)
    results: dict[str, Any] = {"machine": describe(device), "rates": {}, "notes": [], "rows": []}
    notes, rows = results["notes"], results["rows"]
    precisions = _precisions(config, device, notes)
    wanted = [config.bench] if config.bench != "all" else ["train", "stages", "stylize", "load"]
    say = Console(stderr=True).print

    if "train" in wanted:  # first: one of its contestants needs the allocator as it is by default
        from adain.evaluation.speed.training import measure_training

        say("training step, plain and ours")
        rows += measure_training(config.sizes, config.batch_sizes, precisions, config.repeats, config.steps, device)
    keep_freed_memory()
    by_number = {}
    if {"stages", "stylize"} & set(wanted):
        for precision in precisions:
            say(f"the machine's limits, {precision}")
            rates = measure_machine(device, torch.bfloat16 if "16" in precision else torch.float32)
            by_number[2 if "16" in precision else 4] = rates
            results["rates"][precision] = rates._asdict()
        # the port works in float32 whatever is asked of ours
        if 4 not in by_number:
            by_number[4] = measure_machine(device, torch.float32)
            results["rates"]["32-true"] = by_number[4]._asdict()
    for work in ("stages", "stylize"):
        if work not in wanted:
            continue
        for settings in _settings(config, work, precisions, device):
            say(f"{work}, {settings[0].size} px, batch {settings[0].batch}: {len(settings)} contestants in turns")
            try:
                found = measure(settings, by_number, config.repeats, config.least_seconds, device)
            except torch.OutOfMemoryError:
                notes.append(f"{work}, {settings[0].size} px, batch {settings[0].batch}: left out, out of GPU memory")
                continue
            rows += found
            if config.memory:
                _add_memory(found, settings, device, results)
            save(folder, results)
    if "video" in wanted:
        from adain.evaluation.speed.video import measure_video

        say("a video, decoded, stylized and encoded")
        rows += measure_video(list(config.stylize_sizes), precisions, config.repeats, config.least_seconds, device)
    if "load" in wanted:
        rows += _load(config, device, say)
    if config.profile:
        results["operators"] = _profile(config, precisions[0], device, folder)
        notes.append(f"trace: {folder}/trace.json, to be opened in ui.perfetto.dev")
    if not torch.cuda.is_available():
        notes.append("no GPU here: its rows stay empty")
    files = save(folder, results)
    console = Console(width=None if Console().is_terminal else 110)
    show(results, console)
    console.print(f"machine: {results['machine']}", highlight=False)
    if "bench.html" not in files:
        console.print(f"no plot: plotly is not installed: {install_command('sweep')}", soft_wrap=True)
    if config.wandb:
        log_to_wandb(folder, results, OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]
    console.print(f"saved: {folder}/ {', '.join(files)}", highlight=False, soft_wrap=True)


def _check(config: DictConfig) -> None:
    """What ``preflight`` cannot say: lists and folders. Nothing heavy is imported yet."""
    for key, least in (("sizes", 16), ("stylize_sizes", 16), ("batch_sizes", 1)):
        if not config[key] or any(not isinstance(v, int) or isinstance(v, bool) or v < least for v in config[key]):
            raise UserError(f"{key}={list(config[key])} must be whole numbers of at least {least}, such as {key}=[256]")
    for key, words in (("precisions", _PRECISIONS), ("memory_formats", _FORMATS), ("compile", (True, False))):
        if config[key] is None and key != "compile":
            continue
        if not OmegaConf.is_list(config[key]) or not config[key] or any(v not in words for v in config[key]):
            shown = list(config[key]) if OmegaConf.is_list(config[key]) else config[key]
            allowed = ", ".join(str(word).lower() if key == "compile" else str(word) for word in words)
            raise UserError(f"{key}={shown} must be a list out of {allowed}")
    if config.model.name != "adain" and (config.bench != "stylize" or config.reference is not None):
        raise UserError(
            f"model={config.model.name} is measured by bench=stylize without reference=: give these, or model=adain"
        )
    if config.reference is not None:
        check_reference(config.reference)
    if config.bench == "video" and find_spec("av") is None:
        raise UserError(f"bench=video needs PyAV, which is not installed: {install_command('video')}")
    for key in ("content", "style"):
        if config[key] is not None and not Path(config[key]).expanduser().is_dir():
            raise UserError(f"{key}={config[key]} is no folder: give a folder of pictures")


def _precisions(config: DictConfig, device: torch.device, notes: list[str]) -> list[str]:
    """Those asked for; by default float32, and bfloat16 where it is faster."""
    from adain.runtime.precision import fastest_precision

    if config.precisions is not None:
        return list(config.precisions)
    fastest = fastest_precision(device)
    if fastest == "32-true":
        notes.append(
            "bf16-mixed: slower than 32-true on this machine, so its rows stay empty; precisions=[32-true,bf16-mixed] "
            "measures it all the same"
        )
    return list(dict.fromkeys(("32-true", fastest)))


def _settings(
    config: DictConfig, work: str, precisions: Sequence[str], device: torch.device
) -> Iterator[list[Setting]]:
    """The contestants of each size and batch."""
    from adain.evaluation.speed.stages import Setting, own_layout

    if config.model.name != "adain":
        for size in config.stylize_sizes:
            for batch in config.stylize_batch_sizes:
                iterations = (3, config.gatys_iterations)
                yield [Setting("ours", "method", size, batch, method=config.model.name, iterations=iterations)]
        return
    for size in config.sizes if work == "stages" else config.stylize_sizes:
        for batch in config.batch_sizes if work == "stages" else config.stylize_batch_sizes:
            found = []
            for precision in precisions:
                for layout in config.memory_formats or [own_layout(device, precision)]:
                    found += [Setting("ours", work, size, batch, precision, layout, c) for c in config.compile]
            if config.reference is not None:
                found.append(Setting("port", work, size, batch, reference=str(config.reference)))
            yield found


def _add_memory(rows: list[Any], settings: Sequence[Setting], device: torch.device, results: dict[str, Any]) -> None:
    from adain.evaluation.speed.memory import how, peak_memory

    results["memory"] = how(device)
    for setting in settings:
        peaks = peak_memory(setting, device)
        for row in rows:
            if row["contestant"] == setting.name:
                row["peak_mib"] = peaks.get(row["stage"])
    note = f"MiB: peak of each stage; {how(device)}. floor: ms; share: floor / median. [a-b]: quartiles"
    if note not in results["notes"]:
        results["notes"].append(note)


def _load(config: DictConfig, device: torch.device, say: Any) -> list[Any]:
    """Loading, over the sample pictures or a folder."""
    from adain.data.sample import sample_folder
    from adain.data.sources import FolderSource
    from adain.evaluation.speed.loading import measure_loading, measure_waiting
    from adain.evaluation.speed.stages import OurStep, Setting

    content = Path(config.content or sample_folder("content")).expanduser()
    style = Path(config.style or sample_folder("style")).expanduser()
    paths = [Path(name) for folder in (content, style) for name in FolderSource(str(folder)).names[: config.pictures]]
    say(f"loading, {len(paths)} pictures")
    rows = measure_loading(paths, config.resize, config.crop, config.repeats)
    if config.workers:
        step = OurStep(Setting("ours", "stages", config.crop, config.batch_sizes[0]), device)

        def train(contents: Any, styles: Any) -> None:
            step.content, step.style = contents.to(device), styles.to(device)
            step.step()

        rows.append(
            measure_waiting(
                content, style, train, config.batch_sizes[0], config.resize, config.crop, config.workers, config.repeats
            )
        )
    return rows


def _profile(config: DictConfig, precision: str, device: torch.device, folder: Path) -> list[dict[str, Any]]:
    from adain.evaluation.speed.profiling import profile_step
    from adain.evaluation.speed.stages import OurStep, Setting

    step = OurStep(Setting("ours", "stages", config.sizes[0], config.batch_sizes[0], precision), device).step
    return [operator._asdict() for operator in profile_step(step, folder / "trace.json", device)]


def main() -> None:
    """The command."""
    run("bench", bench, paths=("reference", "content", "style"))


if __name__ == "__main__":
    main()
