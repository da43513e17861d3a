"""Check every picture of a folder before training: whether it decodes, its size, whether it is gray or a copy."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from adain.data.picture import PictureError, read_picture
from adain.data.scan_cache import ScanCache, ScanResult, conditions
from adain.data.sources import CHECK_SIDE
from adain.runtime.errors import InputError

_CHUNK = 16  # pictures sent to a process at once
_COMMIT_SECONDS = 1.0
_GRAY = 8  # of 255: a smaller difference between channels looks gray
CRASHED = "decoding it ends the process"


def is_gray(picture: Image.Image) -> bool:
    """Return whether at most one pixel in a hundred has a visible color."""
    spread = np.ptp(np.asarray(picture, np.int16), axis=2)
    return bool(np.percentile(spread, 99) <= _GRAY)


def examine(path: str, max_pixels: int, min_side: int) -> ScanResult | str:
    """Check one file.

    Returns:
        The result; or the reason why the file could not be read now (permissions, a failing disk), which says nothing
        about the picture and is not cached.
    """
    try:
        with open(path, "rb") as file:
            state = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
            file.seek(0)
            key = (path, state.st_size, state.st_mtime_ns, conditions(max_pixels, min_side))
            try:
                picture = read_picture(file, CHECK_SIDE, max_pixels, min_side)
            except PictureError as error:
                if isinstance(error.__context__, OSError) and error.__context__.errno:
                    return str(error)
                return ScanResult(*key, str(error), digest=digest)
    except OSError as error:
        return error.strerror or str(error)
    size: tuple[int, int] = picture.info["full_size"]
    return ScanResult(*key, None, *size, is_gray(picture), digest)


def _examine_all(paths: Sequence[str], max_pixels: int, min_side: int) -> list[tuple[str, ScanResult | str]]:
    return [(path, examine(path, max_pixels, min_side)) for path in paths]


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def scan(
    names: Sequence[str],
    manifest: ScanCache,
    max_pixels: int,
    min_side: int,
    workers: int,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[dict[str, ScanResult], dict[str, str]]:
    """Check every file that the manifest does not know, in parallel, and cache the results on the way.

    Args:
        names: Picture files.
        manifest: The cache of results. An interrupted scan continues where it stopped.
        max_pixels: The limit that training uses.
        min_side: The limit that training uses.
        workers: Number of processes.
        progress: Called with the number of files done since the last call.

    Returns:
        Results by absolute path, and the reasons by path for files that could not be read now.
    """
    paths = list(dict.fromkeys(map(os.path.abspath, names)))
    results = manifest.known(paths, conditions(max_pixels, min_side))
    progress(len(results))
    unread: dict[str, str] = {}
    fresh: list[ScanResult] = []
    saved = time.monotonic()
    missing = [path for path in paths if path not in results]
    try:
        for path, result in _in_parallel(missing, max_pixels, min_side, workers):
            if isinstance(result, str):
                unread[path] = result
            else:
                results[path] = result
                fresh.append(result)
            if time.monotonic() - saved > _COMMIT_SECONDS:
                manifest.add(fresh)
                fresh, saved = [], time.monotonic()
            progress(1)
    finally:
        manifest.add(fresh)
    return results, unread


def _in_parallel(
    paths: Sequence[str], max_pixels: int, min_side: int, workers: int
) -> Iterator[tuple[str, ScanResult | str]]:
    """Yield results as they arrive. A picture that crashes its process is identified and reported."""
    chunks = iter([paths[i : i + _CHUNK] for i in range(0, len(paths), _CHUNK)])
    suspects: list[str] = []
    while True:
        pending: dict[Future[list[tuple[str, ScanResult | str]]], Sequence[str]] = {}
        with _pool(workers) as pool:
            try:
                while True:
                    for chunk in islice(chunks, 2 * workers - len(pending)):
                        pending[pool.submit(_examine_all, chunk, max_pixels, min_side)] = chunk
                    if not pending:
                        break
                    for done in wait(pending, return_when=FIRST_COMPLETED).done:
                        results = done.result()
                        del pending[done]
                        yield from results
            except BrokenProcessPool:
                suspects += [path for chunk in pending.values() for path in chunk]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        if not pending:
            break
    for path in suspects:
        with _pool(1) as pool:
            try:
                yield from pool.submit(_examine_all, [path], max_pixels, min_side).result()
            except BrokenProcessPool:
                _processes_work()
                state = os.stat(path)
                yield (
                    path,
                    ScanResult(path, state.st_size, state.st_mtime_ns, conditions(max_pixels, min_side), CRASHED),
                )


def _processes_work() -> None:
    with _pool(1) as pool:
        try:
            pool.submit(int).result()
        except BrokenProcessPool:  # the machine is at fault: without this check every picture would be blamed
            raise InputError("the scan's processes end at once: check the messages above and the free memory") from None


def _pool(workers: int) -> ProcessPoolExecutor:
    # spawn, because forking a process with threads (a progress bar) can hang
    return ProcessPoolExecutor(workers, get_context("spawn"), initializer=_leave_ctrl_c_to_the_parent)


def exact_duplicates(findings: Iterable[ScanResult]) -> list[list[str]]:
    """Return groups of files with the same bytes."""
    groups: dict[tuple[int, bytes], list[str]] = {}
    for seen in findings:
        if seen.digest and seen.size:
            groups.setdefault((seen.size, seen.digest), []).append(seen.path)
    return [group for group in groups.values() if len(group) > 1]


def write_lists(folder: Path, lists: dict[str, list[str]]) -> dict[str, Path]:
    """Write each non-empty list to a text file in ``folder``; return the files by list name."""
    written = {}
    for name, lines in lists.items():
        if lines:
            written[name] = folder / f"{name}.txt"
            written[name].write_text("\n".join(lines) + "\n", errors="surrogateescape")
    return written
