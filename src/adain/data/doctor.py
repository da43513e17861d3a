"""Scan the content and style pictures of a training before it starts, and report what is wrong with them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

from adain.data.scan import exact_duplicates, scan, write_lists
from adain.data.scan_cache import ScanCache
from adain.data.sources import FolderSource
from adain.runtime.files import expanded, relative
from adain.runtime.findings import Finding, cores
from adain.runtime.progress import Bar


def check_pictures(
    sources: Mapping[str, FolderSource], cache: Path, folder: Path, resize: int, val_pairs: int
) -> list[Finding]:
    """Scan the folders of contents and styles, and check the held-out part.

    Args:
        sources: The sources ``content`` and ``style``.
        cache: The file that keeps scan results.
        folder: Where to write the lists of pictures.
        resize: Short side in training, in pixels; smaller pictures are enlarged.
        val_pairs: Number of pictures of each side to hold out.

    Raises:
        UserError: If the cache cannot be used.
    """
    known = ScanCache(expanded(cache))
    with contextlib.closing(known):
        return [
            finding
            for side, source in sources.items()
            for finding in _check_side(side, source, known, folder, resize, val_pairs)
        ]


def _check_side(
    side: str, source: FolderSource, known: ScanCache, folder: Path, resize: int, val_pairs: int
) -> list[Finding]:
    start = time.monotonic()
    with Bar(total=len(source), desc=f"scanning {side}", unit="picture", leave=False) as bar:
        found, unread = scan(source.names, known, source.max_pixels, source.min_side, cores(), bar.update)
    seconds = time.monotonic() - start
    bad = [seen for seen in found.values() if seen.reason is not None]
    good = [seen for seen in found.values() if seen.reason is None]
    copies = exact_duplicates(good)
    source.bad = {name: (seen.size, seen.changed, seen.reason) for name in source.names
                  if (seen := found.get(os.path.abspath(name))) is not None and seen.reason is not None}  # fmt: skip
    lists = {
        "unreadable": [f"{seen.path}: {seen.reason}" for seen in bad] + [f"{p}: {r}" for p, r in unread.items()],
        "small": [
            f"{seen.path}: {seen.width} x {seen.height}" for seen in good if min(seen.width, seen.height) < resize
        ],
        "gray": [seen.path for seen in good if seen.gray],
        "copies": [" | ".join(group) for group in copies],
    }
    written = write_lists(folder, {f"{side}_{kind}": lines for kind, lines in lists.items()})
    total = len(found) + len(unread)
    usable = total - len(lists["unreadable"])
    figures = {"pictures": total, "usable": usable, "scan_seconds": round(seconds, 2)}
    text = f"{usable:,} of {total:,} pictures are usable{'' if usable else '; no picture is left'}"
    taught = " (as styles they teach gray pictures)" if side == "style" else ""
    words = {
        "unreadable": "{:,}, skipped in training: repair or remove the files listed in",
        "small": f"{{:,}} with a short side below data.resize={resize}, enlarged and soft in training, listed in",
        "gray": f"{{:,}} without color{taught}, listed in",
        "copies": "{:,} pictures exist several times, byte for byte: keep one of each line of",
    }
    findings = [Finding("ok" if usable else "problem", side, text, figures)]
    for kind, lines in lists.items():
        if lines:
            file = str(relative(written[f"{side}_{kind}"]))
            text = words[kind].format(len(lines))
            findings.append(Finding("warning", f"{side}: {kind}", text, {kind: len(lines)}, file))
        else:
            findings.append(Finding("ok", f"{side}: {kind}", "none", {kind: 0}))
    return [*findings, _check_held_out(side, source, copies, val_pairs)]


def _check_held_out(side: str, source: FolderSource, groups: list[list[str]], val_pairs: int) -> Finding:
    """Check that the held-out pictures are really held out: no copy of one is trained on."""
    training, held_out = source.split(val_pairs)
    kept = {os.path.abspath(name) for name in held_out.names}
    trained = {os.path.abspath(name) for name in training.names} - kept
    leaks = [group for group in groups if kept & set(group) and trained & set(group)]
    figures = {"held_out": len(held_out), "training": len(training), "leaks": len(leaks)}
    if leaks:
        text = f"{len(leaks)} of {len(held_out)} have a copy among the training pictures: remove it, as of"
        return Finding("warning", f"{side}: held out", text, figures, " | ".join(leaks[0]))
    if len(source) == 1:
        return Finding("warning", f"{side}: held out", "the one picture is both trained on and shown", figures)
    return Finding("ok", f"{side}: held out", f"{len(held_out)}, and {len(training):,} to train on", figures)
