"""What is below ``logs/``: every run and sweep with its status, its best figures, and the command to go on or to use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

from adain.runtime.errors import UserError
from adain.runtime.extras import as_typed_here
from adain.runtime.files import is_locked, relative
from adain.runtime.run_folder import TRAINING_LOCK, read_summary
from adain.sweeps.ranking import rank
from adain.sweeps.results import Job, read_sweep
from adain.sweeps.winner import best_jobs, use_command


class Entry(NamedTuple):
    """A run or a sweep.

    Attributes:
        name: Its folder's last two parts.
        status: ``finished``, ``running``, ``preempted``, ``failed`` ...; of a sweep, how many jobs finished.
        steps: Trained; of a sweep's winner, or of the middle of its front.
        best: Held-out losses at the best validation; empty before the first.
        command: To go on or to use it; empty while it runs.
    """

    name: str
    status: str
    steps: int
    best: dict[str, Any]
    command: str


def list_entries(logs: Path) -> Iterator[Entry]:
    """Yield the runs and sweeps below ``logs``, the last written first."""
    files = [*logs.glob("runs/*/*/summary.json"), *logs.glob("sweeps/*/*/multirun.yaml")]
    folders = {path.parent: path.stat().st_mtime for path in files if not path.parent.is_symlink()}
    for folder in sorted(folders, key=lambda folder: folders[folder], reverse=True):
        entry = _sweep(folder) if (folder / "multirun.yaml").is_file() else _run(folder)
        if entry is not None:
            yield entry


def print_entries(logs: Path, last: int) -> None:
    """Print the newest runs and sweeps, each with its command in a line below.

    Raises:
        UserError: If there are none.
    """
    entries = list(list_entries(logs))
    if not entries:
        raise UserError(f"there is no run below {logs} yet: make train starts one, or give logs=PATH")
    width = max(len(entry.name) for entry in entries[:last])
    print(f"{'':<{width}}  {'status':<20}{'steps':>8}{'content':>10}{'style':>10}")
    for entry in entries[:last]:
        losses = "".join(
            f"{entry.best[name]:>10.3f}" if name in entry.best else f"{'-':>10}"
            for name in ("val/content", "val/style")
        )
        print(f"{entry.name:<{width}}  {entry.status:<20}{entry.steps:>8}{losses}")
        if entry.command:
            print(f"    {entry.command}")
    if len(entries) > last:
        print(f"and {len(entries) - last} older: last={len(entries)} lists all")


def _run(folder: Path) -> Entry | None:
    summary = read_summary(folder)
    if not summary:
        return None
    job = Job(0, folder, {}, str(summary.get("status")), summary=summary)
    status, command = job.status, ""
    if status == "running" and not _alive(folder):
        status = "cut short"
    if status in ("finished", "pruned") and job.checkpoint is not None:
        command = use_command(job)
    elif status != "running" and (folder / "checkpoints" / "last.ckpt").exists():
        command = as_typed_here(f"make train {quote(f'ckpt={relative(folder)}')}")
    return Entry(_name(folder), status, int(summary.get("steps", 0)), summary.get("best") or {}, command)


def _sweep(folder: Path) -> Entry | None:
    try:
        sweep = read_sweep(folder)
    except UserError:
        return None
    best = best_jobs(sweep, rank(sweep))
    job = best[len(best) // 2] if best else None
    status = f"{sweep.count('finished')} of {sweep.planned or len(sweep.jobs)} finished"
    command = use_command(job) if job is not None else ""
    if sweep.remaining:
        command = "" if _alive(folder) else as_typed_here(f"make sweep {quote(f'resume={relative(folder)}')}")
    summary = job.summary if job is not None else {}
    return Entry(f"sweep {_name(folder)}", status, int(summary.get("steps", 0)), summary.get("best") or {}, command)


def _name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def _alive(folder: Path) -> bool:
    """Return whether a process is at work in a folder: it holds a lock there, however it ended before."""
    locks = (folder / TRAINING_LOCK, folder / ".lock", *folder.glob(f"*/{TRAINING_LOCK}"))
    return any(is_locked(path) for path in locks)
