"""Sweep folders as training leaves them, without training."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from PIL import Image

from adain.cli.preflight.compose import compose_config
from adain.data.contact_sheet import picture_grid

MULTIRUN = """
hydra:
  sweeper: {{params: {params}}}
  overrides: {{task: {task}, hydra: []}}
monitor: {{metric: {metric}, mode: {mode}}}
"""
Make = Callable[..., Path]
PAIRS = [(f"content_{i}.png", f"style_{i}.png") for i in range(6)]


def write_sweep(
    root: Path, jobs: list[tuple[dict[str, str], str, list[tuple[float, float]]]], task: list[str], name: str = "grid",
    metric: str = "val/loss", mode: str = "min", changed: dict[int, list[str]] | None = None,
    pairs: dict[int, list[tuple[str, str]]] | None = None, plan: bool = True,
) -> Path:  # fmt: skip
    """Writes a sweep: one job for each entry of ``jobs``, (swept, status, losses of content and style by step)."""
    folder = root / "logs" / "sweeps" / name / "2026-01-02_03-04-05"
    folder.mkdir(parents=True)
    text = MULTIRUN.format(params="{}", task=json.dumps(task), metric=metric, mode=mode)
    (folder / "multirun.yaml").write_text(text)
    if plan:
        (folder / "jobs.json").write_text(json.dumps([swept for swept, _, _ in jobs]))
    for number, (swept, status, losses) in enumerate(jobs):
        if status != "missing":
            extra = (changed or {}).get(number, [])
            extra = [*extra, f"monitor.metric={metric}", f"monitor.mode={mode}"]
            _write_job(folder / str(number), swept, status, losses, metric, extra, (pairs or {}).get(number, PAIRS))
    return folder


def _write_job(
    job: Path, swept: dict[str, str], status: str, losses: list[tuple[float, float]], metric: str, extra: list[str],
    pairs: list[tuple[str, str]],
) -> None:  # fmt: skip
    (job / ".hydra").mkdir(parents=True)
    overrides = ["experiment=smoke", *(f"{k}={v}" for k, v in swept.items()), *extra]
    text, weight = _composed(*overrides)
    (job / ".hydra" / "config.yaml").write_text(text)
    (job / ".hydra" / "overrides.yaml").write_text(json.dumps(overrides))
    history: list[dict[str, Any]] = [
        {"step": 10 * i, "val/content": c, "val/style": s, "val/loss": c + weight * s}
        for i, (c, s) in enumerate(losses)
    ]
    best = min(history[1:], key=lambda row: float(row[metric]), default={})
    summary = {
        "status": "running" if status == "unfinished" else status,
        "error": "ValueError: <b>broke</b>" if status == "failed" else None,
        "steps": 10 * (len(losses) - 1), "final": history[-1] if history else {}, "best": best, "history": history,
        "wall_seconds": 12.5, "git_commit": "abc",
    }  # fmt: skip
    (job / "summary.json").write_text(json.dumps(summary))
    with (job / "held_out.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("content", "style"), *pairs])
    (job / "samples").mkdir()
    for row in history:
        step = int(row["step"])
        rows = [
            [Image.new("RGB", (32, 32), c) for c in picture_colors(index, int(job.name), step)]
            for index in range(len(pairs))
        ]
        picture_grid(rows).save(job / "samples" / f"step_{step:06d}.png")


@cache
def _composed(*overrides: str) -> tuple[str, float]:
    """A job's recorded configuration, and its weight of the style loss."""
    config = compose_config("train", list(overrides))
    return OmegaConf.to_yaml(config), float(config.model.style_weight)


def picture_colors(pair: int, job: int, step: int) -> tuple[tuple[int, int, int], ...]:
    """Content, style and output, each of a color of its own."""
    return (30 + 20 * pair, 0, 0), (0, 30 + 20 * pair, 0), (20 * pair, 15 * job, 40 + 2 * step)
