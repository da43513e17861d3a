"""What a sweep searches: Hydra's own sweep syntax as grids, as probes to check, and as W&B parameters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep

from adain.runtime.errors import UserError
from adain.runtime.quoting import quote
from adain.runtime.schema import Metric

_TAG_LENGTH = 64  # W&B refuses longer tags


@dataclass(frozen=True)
class Axis:
    """One swept key.

    Attributes:
        key: Dotted, without a leading ``+``.
        typed: The key as an override needs it.
        values: Every value as override text, in order; empty for an interval.
        low, high: Bounds of an interval, or of evenly spaced numbers; both allowed values.
        step: Between evenly spaced numbers; None otherwise.
        log: Whether a sampler draws on a logarithmic scale.
        integer: Whether numbers are whole.
    """

    key: str
    typed: str
    values: tuple[str, ...] = ()
    low: float = math.nan
    high: float = math.nan
    step: float | None = None
    log: bool = False
    integer: bool = False

    @property
    def text(self) -> str:
        """For people: ``optimizer.lr in 1e-05..0.001 (log)`` or ``seed in 1, 2, 3``."""
        between = f"{self.low:g}..{self.high:g}" + (f" step {self.step:g}" if self.step else "")
        where = ", ".join(self.values) if self.values and self.step is None else between
        return f"{self.key} in {where}" + (" (log)" if self.log else "")


def split(
    params: Mapping[str, str] | None, typed: Sequence[str], loader: ConfigLoader | None = None
) -> tuple[list[str], list[Axis]]:
    """Separates what is the same in every job from what is swept.

    Args:
        params: ``hydra.sweeper.params``, a named sweep's search space.
        typed: Overrides of the command line; for a key that both name, these count.
        loader: Needed for ``glob(...)`` only.

    Returns:
        Fixed overrides, and one axis a swept key.

    Raises:
        UserError: If a key is given no values, or bounds in the wrong order.
    """
    parser = OverridesParser.create(config_loader=loader)
    parsed: dict[str, Override] = {}
    for override in parser.parse_overrides([*(f"{k}={v}" for k, v in (params or {}).items()), *typed]):
        parsed[str(override.get_key_element()).lstrip("+~")] = override
    fixed = [str(o.input_line) for o in parsed.values() if not o.is_sweep_override()]
    return fixed, [_axis(key, override) for key, override in parsed.items() if override.is_sweep_override()]


def objectives(fixed: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Split off ``monitor.metric=[A,B]``: a sweep minimizes both, while each job keeps its own metric for its best.

    Returns:
        The other overrides, and the metrics; none where the sweep has one, as usual.

    Raises:
        UserError: If they are not two different metrics to be minimized.
    """
    rest, metrics = [], None
    for override in OverridesParser.create().parse_overrides(list(fixed)):
        if override.key_or_group == "monitor.metric" and isinstance(override.value(), list):
            metrics = [str(name) for name in cast(list[Any], override.value())]
        else:
            rest.append(str(override.input_line))
    if metrics is None:
        return rest, ()
    known = get_args(Metric)
    if len(metrics) != 2 or metrics[0] == metrics[1] or not set(metrics) <= set(known):
        raise UserError(
            f"monitor.metric=[{','.join(metrics)}] is not allowed: give one metric, or two different ones of {', '.join(known)}"
        )
    if "monitor.mode=max" in rest:
        raise UserError("monitor.mode=max works with one metric: two are always minimized, so leave it out")
    return rest, tuple(metrics)


def _axis(key: str, override: Override) -> Axis:
    typed, value = override.get_key_element(), override.value()
    log = "log" in getattr(value, "tags", ())
    if isinstance(value, IntervalSweep):
        low, high = value.start, value.end
        if low is None or high is None or not low < high:
            raise UserError(f"{override.input_line} is not an interval: give interval(LOW,HIGH) with LOW below HIGH")
        _log_from(low, log, override)
        return Axis(key, typed, low=low, high=high, log=log, integer=isinstance(low, int) and isinstance(high, int))
    if isinstance(value, RangeSweep) and value.step == 0:
        raise UserError(f"{override.input_line} never ends: give a step other than 0, as in {key}=range(1,10,2)")
    values = tuple(override.sweep_string_iterator())
    if not values:
        raise UserError(f"{override.input_line} gives no values: give at least one, as in {key}=A,B,C")
    if len(set(values)) < len(values):
        twice = next(v for v in values if values.count(v) > 1)
        raise UserError(f"{override.input_line} gives {twice} twice: give each value once")
    if isinstance(value, RangeSweep):
        numbers = [float(v) for v in values]
        _log_from(min(numbers), log, override)
        whole = all(isinstance(x, int) for x in (value.start, value.stop, value.step))
        return Axis(
            key, typed, values, min(numbers), max(numbers), abs(float(value.step)), log=log, integer=whole
        )  # fmt: skip
    if log and isinstance(value, ChoiceSweep):
        raise UserError(f"{override.input_line}: the tag log belongs to interval(LOW,HIGH) or range(...)")
    return Axis(key, typed, values)


def _log_from(low: float, log: bool, override: Override) -> None:
    if log and low <= 0:
        raise UserError(f"{override.input_line}: a logarithmic scale begins above 0, not at {low:g}")


def grid(axes: Sequence[Axis]) -> list[dict[str, str]]:
    """Return every combination: a list of swept keys and values, the last axis changing fastest.

    Raises:
        UserError: If nothing is swept, or an axis is an interval.
    """
    if not axes:
        raise UserError(
            "nothing is swept: give a key several values, as in model.style_weight=1,5,10, or a named sweep, as in "
            "sweep=style_weight"
        )
    for axis in axes:
        if not axis.values:
            raise UserError(f"{axis.key}: an interval has no end of values: list some (A,B,C), or add sweep=optuna")
    return [
        dict(zip([a.typed for a in axes], values, strict=True))
        for values in itertools.product(*(a.values for a in axes))
    ]


def probes(axes: Sequence[Axis]) -> list[dict[str, str]]:
    """Return each value of each axis at least once, of an interval its ends: what can be checked of a search space."""
    ends = [axis.values or tuple(number(x, axis.integer) for x in (axis.low, axis.high)) for axis in axes]
    longest = max((len(values) for values in ends), default=0)
    return [
        {axis.typed: values[min(i, len(values) - 1)] for axis, values in zip(axes, ends, strict=True)}
        for i in range(longest)
    ]


def number(value: float, integer: bool = False) -> str:
    """Return a number as override text that reads back as the same number."""
    return str(int(value)) if integer else repr(float(value))


def overrides_of(values: Mapping[str, str]) -> list[str]:
    """``key=value`` for each."""
    return [f"{key}={value}" for key, value in values.items()]


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Return the last part of each dotted key, or the whole key where two end alike."""
    keys = [key.lstrip("+") for key in keys]
    tails = [key.rpartition(".")[2] for key in keys]
    return {key: tail if tails.count(tail) == 1 else key for key, tail in zip(keys, tails, strict=True)}


def short_value(text: str) -> str:
    """Return a value for people: what a sampler drew with 17 digits is shown with 4."""
    try:
        return f"{float(text):.4g}" if len(text) > 8 else text
    except ValueError:
        return text


def naming(fixed: Sequence[str], values: Mapping[str, str], group: str) -> tuple[list[str], list[str]]:
    """Return the fixed overrides less W&B's names, and W&B's name, group and tags of one job.

    Args:
        fixed: Of every job. What is typed there for ``run.name``, ``run.group`` and ``run.tags`` is kept in the result.
        values: Swept in this job.
        group: Of the sweep.
    """
    given: dict[str, Any] = {}
    rest: list[str] = []
    for override in OverridesParser.create().parse_overrides(list(fixed)):
        if override.key_or_group in ("run.name", "run.group", "run.tags"):
            given[override.key_or_group] = override.value()
        else:
            rest.append(str(override.input_line))
    names = short_names(values)
    swept = [f"{names[key.lstrip('+')]}={short_value(text.strip(chr(39)))}" for key, text in values.items()]
    name = " ".join([*([str(given["run.name"])] if given.get("run.name") else []), *swept])
    tags = [*(str(tag) for tag in given.get("run.tags") or []), *(tag[:_TAG_LENGTH] for tag in swept)]
    return rest, [
        f"run.name={quote(name)}",
        f"run.group={quote(str(given.get('run.group') or group))}",
        f"run.tags=[{','.join(quote(tag) for tag in tags)}]",
    ]


def wandb_parameters(axes: Sequence[Axis]) -> dict[str, dict[str, Any]]:
    """Return the same space in the words of a W&B sweep file."""
    import yaml

    found: dict[str, dict[str, Any]] = {}
    for axis in axes:
        if axis.values:
            found[axis.typed] = {"values": [yaml.safe_load(_yaml_number(value)) for value in axis.values]}
        elif axis.integer and not axis.log:
            found[axis.typed] = {"distribution": "int_uniform", "min": int(axis.low), "max": int(axis.high)}
        elif axis.integer:
            found[axis.typed] = {
                "distribution": "q_log_uniform_values",
                "q": 1,
                "min": int(axis.low),
                "max": int(axis.high),
            }
        else:
            word = "log_uniform_values" if axis.log else "uniform"
            found[axis.typed] = {"distribution": word, "min": axis.low, "max": axis.high}
    return found


def _yaml_number(value: str) -> str:
    """YAML 1.1 takes 1e-4 for a word."""
    try:
        return value if value.lstrip("-").isdigit() else repr(float(value))
    except ValueError:
        return value
