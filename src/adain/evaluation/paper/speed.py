"""The speed table: every system at one size, in turns, without and with encoding the style."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, get_args

import torch

from adain.evaluation.paper.published import SPEED
from adain.evaluation.speed.candidates import build
from adain.evaluation.speed.clock import Spread, Stages, interleave, ratio, synchronize
from adain.evaluation.speed.memory import peak_memory
from adain.evaluation.speed.methods import ENCODE, KEPT
from adain.evaluation.speed.stages import Setting, pictures
from adain.evaluation.store import Row
from adain.methods.adain import AdaINMethod
from adain.runtime.progress import Bar
from adain.runtime.schema import MethodName


def measure_speed(
    size: int, repeats: int, iterations: tuple[int, int], memory: bool, device: torch.device
) -> list[Row]:
    """Time all four systems at one size, a picture at a time.

    Args:
        size: Side of the content and of the style, in pixels.
        repeats: Rounds that count, after one of warm-up.
        iterations: Of Gatys' method: done, and stood for.
        memory: Whether peak memory is measured, each system in a process of its own.
        device: Where.

    Returns:
        A row for each system: medians and quartiles of seconds without and with encoding the style; how many times
        AdaIN's that is, round by round; MiB; and the paper's figures.
    """
    settings = {name: Setting("method", size, 1, method=name, iterations=iterations) for name in get_args(MethodName)}
    stages = {name: build(setting, device) for name, setting in settings.items()}
    total = (repeats + 1) * sum(map(len, stages.values()))
    with Bar(total=total, desc=f"speed, {size} px", unit="stage", smoothing=0, leave=False) as bar:
        shown = {name: _shown(own, bar.update, device) for name, own in stages.items()}
        times = interleave(shown, repeats, device)
    without = {name: found[KEPT] for name, found in times.items()}
    including = {
        name: [a + b for a, b in zip(found[ENCODE], found[KEPT], strict=True)]
        for name, found in times.items()
        if ENCODE in found
    }
    rows = []
    for name, setting in settings.items():
        row: Row = {"method": name, "size": size, "rounds": repeats}
        row["gatys_iterations"], row["gatys_done"] = (iterations[1], iterations[0]) if name == "gatys" else (None, None)
        papers, base = (SPEED.get((method, size), (None, None)) for method in (name, "adain"))
        for column, seconds, paper, adain in zip(("without", "with"), (without, including), papers, base, strict=True):
            own = Spread.of(seconds[name]) if name in seconds else None
            times_adain = ratio(seconds[name], seconds["adain"]) if name in seconds else None
            row |= _cells(f"{column}_s", own) | _cells(f"{column}_times_adain", times_adain)
            row[f"{column}_paper_s"] = paper
            row[f"{column}_paper_times_adain"] = paper / adain if paper and adain else None
        row["peak_mib"] = None
        if memory:
            # the most of its stages: a user needs them all
            row["peak_mib"] = max(peak_memory(setting, device).values(), default=None)
        rows.append(row)
    return rows


SPLIT = ("encode content", "encode style", "AdaIN, decode")
"""Where AdaIN's time goes: the paper says about a third to each."""


def measure_split(size: int, repeats: int, device: torch.device) -> list[Row]:
    """Time the three parts of stylizing one picture with a new style by AdaIN, both ``size`` pixels a side.

    Returns:
        A row for each of ``SPLIT``: median and quartiles of its seconds, and the median of its share of a round.
    """
    setting = Setting("method", size, 1)
    content, style = pictures(setting, device)
    network = AdaINMethod().to(device).eval().requires_grad_(False).network  # values do not change the time
    kept: dict[str, Any] = {}

    def encode_content() -> None:
        kept["features"] = network.encode(content)

    def encode_style() -> None:
        kept["style"] = network.encode_style(style)

    def decode() -> None:
        network.render(kept["features"], content.shape[-2:], [kept["style"]])

    with torch.inference_mode():
        stages = list(zip(SPLIT, (encode_content, encode_style, decode), strict=True))
        times = interleave({"adain": stages}, repeats, device)["adain"]
    rounds = [sum(parts) for parts in zip(*times.values(), strict=True)]
    return [
        {"size": size, "stage": stage, "rounds": repeats, **_cells("seconds", Spread.of(seconds))}
        | {"share": ratio(seconds, rounds).median}
        for stage, seconds in times.items()
    ]


def _shown(stages: Stages, update: Callable[[], object], device: torch.device) -> Stages:
    """Return the same stages, each moving the bar on; the bar's own time is not counted."""

    def told(work: Callable[[], object]) -> Callable[[], float]:
        def measured() -> float:
            start = time.perf_counter()
            own = work()
            synchronize(device)
            seconds = own if isinstance(own, float) else time.perf_counter() - start
            update()
            return seconds

        return measured

    return [(name, told(work)) for name, work in stages]


def _cells(name: str, spread: Spread | None) -> Row:
    return dict.fromkeys((name, f"{name}_q1", f"{name}_q3")) if spread is None else spread.columns(name)
