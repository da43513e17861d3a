"""``make doctor``: looks at data, weights and machine before a long run, with that run's own configuration."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from adain.cli.app import fail, run
from adain.cli.machine import Finding, check_devices, check_disk, check_loader, check_wandb, check_weights, cores
from adain.cli.quiet import quieten
from adain.cli.train import PATHS
from adain.runtime.errors import UserError
from adain.runtime.files import write_whole
from adain.training.outcome import relative
from adain.training.resume import rewrite_arguments

if TYPE_CHECKING:
    from rich.console import Console

_COLORS = {"ok": "green", "warning": "yellow", "problem": "red"}
_COLUMN = 31  # where what was found begins


def doctor(config: DictConfig) -> None:
    """Makes every check, prints a line for each, and ends with exit code 1 if there are problems."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate
    from rich.console import Console

    folder = Path(HydraConfig.get().runtime.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    quieten()
    findings: list[Finding] = []
    console = Console()
    build = cache(lambda: instantiate(config.model))
    checks: list[tuple[str, Callable[[], list[Finding]]]] = [
        ("pictures", lambda: check_pictures(config, folder)),  # first: its processes are small before torch is loaded
        ("weights", lambda: check_weights(config, build)),
        ("disk", lambda: check_disk(config, build())),
        ("W&B", lambda: check_wandb(config)),
        ("devices", lambda: check_devices(config)),
        ("loader", lambda: check_loader(config, build())),
    ]
    for name, check in checks:
        try:
            made = check()
        except Exception as error:
            mistake = _users(error)
            if mistake is None:
                raise
            made = [Finding("problem", name, mistake)]
        findings += made
        for finding in made:
            _print(finding, console)
    count = {level: sum(f.level == level for f in findings) for level in _COLORS}
    summary = {"counts": count, "findings": [finding._asdict() for finding in findings]}
    write_whole(folder / "doctor.json", json.dumps(summary, indent=2, default=str) + "\n")
    print(
        f"\n{count['ok']} ok, {count['warning']} warnings, {count['problem']} problems   {relative(folder / 'doctor.json')}"
    )
    if count["problem"]:
        sys.exit(1)


def _print(finding: Finding, console: Console) -> None:
    """The level, the check and what was found in columns; a file below, on a line that is never broken."""
    words = textwrap.wrap(
        finding.text, max(20, console.width - _COLUMN), break_long_words=False, break_on_hyphens=False
    ) or [""]
    console.print(f"[{_COLORS[finding.level]}]{finding.level:<9}[/]", end="", highlight=False)
    lines = [f"{finding.check:<{_COLUMN - 9}}{words[0]}", *(" " * _COLUMN + line for line in words[1:])]
    if finding.file is not None:
        lines.append(f"         {finding.file}")
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _users(error: BaseException | None) -> str | None:
    while error is not None:
        if isinstance(error, UserError):
            return str(error)
        error = error.__cause__
    return None


# --- pictures -------------------------------------------------------------------------------------------------------


def check_pictures(config: DictConfig, folder: Path) -> list[Finding]:
    """Scans both sides' folders, and looks at the held-out part."""
    from adain.data.sample import sample_source
    from adain.data.scan import exact_duplicates, near_duplicates, scan, write_lists
    from adain.data.scan_cache import ScanCache
    from adain.data.sources import FolderSource

    target = str(config.data.get("_target_"))
    if target.endswith(".hub"):
        return [
            Finding("warning", "pictures", "streamed from the hub, so not scanned: training counts and skips bad rows")
        ]
    if not target.endswith((".folders", ".sample")):
        return [Finding("ok", "pictures", "made up: nothing to scan")]
    path = config.data.get("manifest") or Path(config.logs) / "doctor" / "manifest.sqlite"
    manifest = ScanCache(Path(path).expanduser())
    findings: list[Finding] = []
    try:
        for side in ("content", "style"):
            if target.endswith(".sample"):
                source = sample_source("content" if side == "content" else "style")
            else:
                roots = OmegaConf.to_container(config.data)[side]  # type: ignore[call-overload, index]
                source = FolderSource(roots, config.data.max_pixels, config.data.min_side, config.data.held_out)
            start = time.monotonic()
            with _bar(f"scanning {side}", len(source)) as progress:
                found, unread = scan(source.names, manifest, source.max_pixels, source.min_side, cores(), progress)
            seconds = time.monotonic() - start
            seen = list(found.values())
            bad = [s for s in seen if s.reason is not None]
            good = [s for s in seen if s.reason is None]
            soft = [s for s in good if min(s.width, s.height) < config.data.resize]
            gray = [s for s in good if s.gray]
            copies, near = exact_duplicates(good), near_duplicates(good)
            source.bad = {n: (s.size, s.changed, s.reason) for n in source.names
                          if (s := found.get(os.path.abspath(n))) is not None and s.reason is not None}  # fmt: skip
            lists = {
                f"{side}_unreadable": [f"{s.path}: {s.reason}" for s in bad] + [f"{p}: {r}" for p, r in unread.items()],
                f"{side}_small": [f"{s.path}: {s.width} x {s.height}" for s in soft],
                f"{side}_gray": [s.path for s in gray],
                f"{side}_copies": [" | ".join(group) for group in copies],
                f"{side}_alike": [" | ".join(group) for group in near],
            }
            written = write_lists(folder, lists)
            findings += _side(side, len(found) + len(unread), seconds, lists, written, config)
            findings.append(_held_out(side, source, [*copies, *near], config))
    finally:
        manifest.close()
    return findings


def _side(
    side: str, total: int, seconds: float, lists: dict[str, list[str]], written: dict[str, Path], config: DictConfig
) -> list[Finding]:
    count = {name.removeprefix(f"{side}_"): len(lines) for name, lines in lists.items()}
    findings = []

    def add(kind: str, words: str) -> None:
        if count[kind]:
            file = relative(written[f"{side}_{kind}"])
            findings.append(Finding("warning", f"{side}: {kind}", words, {kind: count[kind]}, str(file)))
        else:
            findings.append(Finding("ok", f"{side}: {kind}", "none", {kind: 0}))

    usable = total - count["unreadable"]
    few = "" if usable else "; no picture is left"
    findings.append(
        Finding("ok" if usable else "problem", side, f"{usable:,} of {total:,} pictures are usable{few}",
                {"pictures": total, "usable": usable, "scan_seconds": round(seconds, 2)})
    )  # fmt: skip
    add("unreadable", f"{count['unreadable']:,}, passed over while training: mend or remove what is listed in")
    resize = config.data.resize
    add("small", f"{count['small']:,} with a short side below data.resize={resize}, so enlarged and soft, listed in")
    taught = " (as styles they teach gray pictures)" if side == "style" else ""
    add("gray", f"{count['gray']:,} without color{taught}, listed in")
    add("copies", f"{count['copies']:,} pictures are there several times, byte for byte: keep one of each line of")
    add("alike", f"{count['alike']:,} pictures are there in several versions that look the same: see the lines of")
    return findings


def _held_out(side: str, source: Any, groups: list[list[str]], config: DictConfig) -> Finding:
    """Whether the held-out pictures are really held out: no copy of one is trained on."""
    training, held = source.split(config.data.val_pairs)
    kept = {os.path.abspath(name) for name in held.names}
    trained = {os.path.abspath(name) for name in training.names} - kept
    leaks = [group for group in groups if kept & set(group) and trained & set(group)]
    figures = {"held_out": len(held), "training": len(training), "leaks": len(leaks)}
    if leaks:
        text = f"{len(leaks)} of {len(held)} have a copy among the training pictures: remove it, as of"
        return Finding("warning", f"{side}: held out", text, figures, " | ".join(leaks[0]))
    if len(source) == 1:
        return Finding("warning", f"{side}: held out", "the one picture is both trained on and shown", figures)
    return Finding("ok", f"{side}: held out", f"{len(held)}, and {len(training):,} to train on", figures)


class _bar:
    """A progress bar with the time left."""

    def __init__(self, name: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task(name, total=total)

    def __enter__(self) -> Callable[[int], None]:
        self._progress.start()
        return lambda done: self._progress.advance(self._task, done)

    def __exit__(self, *error: object) -> None:
        self._progress.stop()


def main() -> None:
    """The command."""
    try:
        rewrite_arguments()
    except UserError as error:
        fail(str(error))
    typed = [argument for argument in sys.argv[1:] if not argument.startswith("hydra.run.dir=")]
    sys.argv[1:] = [*typed, "hydra.run.dir=${logs}/doctor/${now:%Y-%m-%d_%H-%M-%S}", "hydra.output_subdir=null"]
    head = "make doctor [key=value ...] : looks at what  make train  with the same keys would use, before it does"
    run("train", doctor, PATHS, head)


if __name__ == "__main__":
    main()
