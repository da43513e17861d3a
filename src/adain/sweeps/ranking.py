"""In which order jobs stand, and whether their figures may be compared at all."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from adain.sweeps.results import Job, Sweep, flat

_OBJECTIVE = (  # val/loss is the sum with these weights
    "model.content_weight", "model.style_weight", "model.tv_weight", "model.identity_weight",
)  # fmt: skip
_UNITS = (  # content and style loss themselves are measured in these
    "model._target_", "model.style_reduction", "encoder.name", "encoder.weights", "model.encoder", "data.val_size",
    "data.val_pairs", "model.measure", "model.patch_size", "model.stride",
)  # fmt: skip
UNSEEN = (  # where and how a job ran, not what it trained
    "run.", "logs", "ckpt", "callbacks.", "logger.", "trainer.accelerator", "trainer.devices", "trainer.enable",
    "trainer.log_every_n_steps", "trainer.num_nodes", "trainer.precision", "trainer.strategy", "data.num_workers",
    "compare_with",
)  # fmt: skip
SEED = "seed"
_LOSSES = ("val/content", "val/style")


@dataclass(frozen=True)
class Setting:
    """Jobs that differ in nothing but their seed; one job where seeds are not swept.

    Attributes:
        swept: Keys and values without the seed.
        jobs: All of them.
        measured: Those that finished: only these count in the figures.
        mean, deviation: Of each metric over ``measured``; the deviation is the sample's, no number for one job.
        layer: 1 on the Pareto front of content and style loss, 2 on the front without it, and so on; None if unranked.
        rank: 1 is best, or the Pareto layer; None if nothing finished or figures may not be compared.
    """

    swept: dict[str, str]
    jobs: tuple[Job, ...]
    measured: tuple[Job, ...]
    mean: dict[str, float]
    deviation: dict[str, float]
    layer: int | None = None
    rank: int | None = None


@dataclass(frozen=True)
class Ranking:
    """Settings from best to worst, then those without a rank.

    Attributes:
        by: ``monitored``, ``pareto`` or ``none``.
        reason: By what, and why, in a sentence for the reader.
        warnings: What else makes figures doubtful, a sentence each.
        settings: In order.
        metrics: Shown: content, style and the monitored one.
        seeds: Whether the seed is swept.
        axes: The two losses of which the front is.
        hypervolume: Area that the front beats, up to ``corner``; None without a front.
        corner: 10 % beyond the worst of each axis among the settings.
    """

    by: str
    reason: str
    warnings: tuple[str, ...]
    settings: tuple[Setting, ...]
    metrics: tuple[str, ...]
    seeds: bool
    axes: tuple[str, str] = _LOSSES
    hypervolume: float | None = None
    corner: tuple[float, float] | None = None


def rank(sweep: Sweep) -> Ranking:
    """Ranks a sweep's settings by what is comparable among them."""
    started = [job for job in sweep.jobs if job.config]
    differing = _differing(started)
    units = [key for key in _UNITS if key in differing]
    pairs = {job.pairs for job in started if job.pairs}
    objective = [key for key in _OBJECTIVE if key in differing]
    by, reason = "monitored", (
        f"Ranked by {sweep.metric} ({'lower' if sweep.mode == 'min' else 'higher'} is better) at each job's best validation: "
        "it means the same in every job."
    )  # fmt: skip
    if units:
        by = "none"
        reason = (
            f"Not ranked: {_list(units)} differ{'s' if len(units) == 1 else ''} between jobs, so their losses are in different "
            "units. Judge by the pictures, or measure all decoders alike."
        )
    elif sweep.objectives:
        by = "pareto"
        reason = (
            f"Ranked by {_list(list(sweep.objectives))} together: jobs that no other beats in both come first (front 1). "
            "Which of them is best is a matter of taste: choose by the pictures."
        )
    elif objective and sweep.metric == "val/loss":
        by = "pareto"
        reason = (
            f"Not ranked by val/loss, which is weighted by {_list(objective)} and so means something else in each job. Content "
            "and style loss are unweighted and comparable: jobs that no other beats in both come first (front 1), from little "
            "style to much. Which of them is best is a matter of taste: choose by the pictures."
        )
    axes = (sweep.objectives[0], sweep.objectives[1]) if sweep.objectives else _LOSSES
    metrics = tuple(dict.fromkeys((*_LOSSES, *axes, sweep.metric)))
    seeds = SEED in sweep.keys
    settings = _ordered([_setting(jobs, metrics) for jobs in _settings(sweep)], by, sweep, axes)
    points = [_point(setting, axes) for setting in settings if setting.layer is not None]
    volume = corner = None
    if by == "pareto" and points:
        corner = (1.1 * max(x for x, _ in points), 1.1 * max(y for _, y in points))
        volume = hypervolume(points, corner)
        reason += (
            f" Hypervolume of the front: {volume:.4g}, up to {axes[0]} {corner[0]:.4g} and {axes[1]} {corner[1]:.4g}."
        )
    warnings = _warnings(sweep, differing, pairs, seeds)
    return Ranking(by, reason, warnings, settings, metrics, seeds, axes, volume, corner)


def _warnings(
    sweep: Sweep, differing: set[str], pairs: set[tuple[tuple[str, str], ...]], seeds: bool
) -> tuple[str, ...]:
    found = []
    groups = {key.partition(".")[0] for key in sweep.keys}
    known = {*sweep.keys, *_OBJECTIVE, *_UNITS}
    other = sorted(
        key for key in differing
        if key not in known and not key.startswith(UNSEEN) and key.partition(".")[0] not in groups
        and "experiment" not in groups
    )  # fmt: skip
    if other:
        found.append(f"The jobs differ in more than what was swept: {_list(other)}. Their figures mix both effects.")
    if len(pairs) > 1:
        found.append("The jobs were measured on different held-out pairs, so small differences mean little.")
    precisions = {str(job.summary["precision"]) for job in sweep.jobs if job.summary.get("precision")}
    if len(precisions) > 1 and "trainer.precision" not in sweep.keys:
        found.append(f"The jobs were trained in {_list(sorted(precisions))}, so small differences mean little.")
    if seeds:
        found.append("Differences between settings that are smaller than the deviation over seeds are not differences.")
    elif len(sweep.jobs) > 1:
        found.append(
            "Each setting was trained with one seed, so the effect of chance is unknown. Add seeds=3 to see it."
        )
    lengths = {int(job.summary.get("steps", 0)) for job in sweep.jobs if job.status == "finished"}
    if len(lengths) > 1 and "trainer.max_steps" not in sweep.keys:
        found.append(f"Finished jobs trained for different numbers of steps ({min(lengths)} to {max(lengths)}).")
    return tuple(found)


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _differing(jobs: list[Job]) -> set[str]:
    configs = [flat(job.config) for job in jobs]
    keys = {key for config in configs for key in config}
    return {key for key in keys if len({repr(config.get(key)) for config in configs}) > 1}


def _settings(sweep: Sweep) -> list[tuple[Job, ...]]:
    groups: dict[tuple[tuple[str, str], ...], list[Job]] = {}
    for job in sweep.jobs:
        # trials of a sampler stand alone even where it drew the same twice
        alone = (("", str(job.number)),) if SEED not in sweep.keys else ()
        groups.setdefault((*((k, v) for k, v in job.swept.items() if k != SEED), *alone), []).append(job)
    return [tuple(jobs) for jobs in groups.values()]


def _setting(jobs: tuple[Job, ...], metrics: tuple[str, ...]) -> Setting:
    measured = tuple(job for job in jobs if job.status == "finished" and math.isfinite(job.best(metrics[0])))
    mean, deviation = {}, {}
    for metric in metrics:
        values = [job.best(metric) for job in measured]
        mean[metric] = statistics.fmean(values) if values else math.nan
        deviation[metric] = statistics.stdev(values) if len(values) > 1 else math.nan
    swept = {key: value for key, value in jobs[0].swept.items() if key != SEED}
    return Setting(swept, jobs, measured, mean, deviation)


def _point(setting: Setting, axes: tuple[str, str]) -> tuple[float, float]:
    return setting.mean[axes[0]], setting.mean[axes[1]]


def _ordered(settings: list[Setting], by: str, sweep: Sweep, axes: tuple[str, str]) -> tuple[Setting, ...]:
    done = [setting for setting in settings if setting.measured]
    rest = [setting for setting in settings if not setting.measured]
    if by == "none":
        return (*done, *rest)
    sign = 1 if sweep.mode == "min" else -1
    pairs = list(zip(done, pareto_layers([_point(s, axes) for s in done]), strict=True))
    if by == "pareto":
        pairs.sort(key=lambda pair: (pair[1], pair[0].mean[axes[0]]))
    else:
        pairs.sort(key=lambda pair: sign * pair[0].mean[sweep.metric])
    placed = [
        replace(setting, layer=layer, rank=layer if by == "pareto" else place)
        for place, (setting, layer) in enumerate(pairs, 1)
    ]
    return (*placed, *rest)


def hypervolume(points: Sequence[tuple[float, float]], corner: tuple[float, float]) -> float:
    """Return the area between the front of the points, both coordinates to be small, and a corner beyond them."""
    area, lowest = 0.0, corner[1]
    for x, y in sorted(points):
        if x < corner[0] and y < lowest:
            area += (corner[0] - x) * (lowest - y)
            lowest = y
    return area


def pareto_layers(points: Sequence[tuple[float, float]]) -> list[int]:
    """For each point, which non-dominated front it is on, both coordinates to be small; 1 is the best front."""
    layers = [0] * len(points)
    left, layer = set(range(len(points))), 0
    while left:
        layer += 1
        front = {i for i in left if not any(_dominates(points[j], points[i]) for j in left)}
        for i in front:
            layers[i] = layer
        left -= front
    return layers


def _dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] <= b[0] and a[1] <= b[1] and a != b
