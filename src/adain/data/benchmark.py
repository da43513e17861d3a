"""The pictures of published benchmarks: found where they are said to be, or fetched one by one, each checked.

The pictures belong to their sources and are not part of this package; their SHA-256 are, in ``styleid800.sha256``.
"""

from __future__ import annotations

from pathlib import Path

from adain.runtime.errors import InputError
from adain.runtime.fetch import FetchError, cache_folder, download, locked, sha256_of
from adain.runtime.files import expanded
from adain.runtime.schema import BenchmarkName

ADDRESSES: dict[BenchmarkName, str] = {
    # Chung et al. 2024: 20 photographs of MS-COCO and 40 paintings of WikiArt, 512 px
    "styleid800": "https://raw.githubusercontent.com/jiwoogit/StyleID/d4ea655dc1f7b19e0eac9553ad087132d18bb96f/data"
}
CONTENT, STYLE = "cnt", "sty"
"""Folders of contents and styles in a benchmark's own."""


def digests(name: BenchmarkName) -> dict[str, str]:
    """Return the SHA-256 of each picture of a benchmark, by its path."""
    lines = Path(__file__).with_name(f"{name}.sha256").read_text(encoding="ascii").splitlines()
    return {path: digest for digest, path in (line.split() for line in lines)}


def benchmark_folders(name: BenchmarkName, given: str | None) -> tuple[str, str]:
    """Return the folders of a benchmark's contents and styles. See ``find_benchmark``."""
    folder = find_benchmark(name, given)
    return str(folder / CONTENT), str(folder / STYLE)


def find_benchmark(name: BenchmarkName, given: str | None) -> Path:
    """Return the folder of a benchmark's pictures, all of them there and verified.

    Args:
        name: Its name.
        given: A folder that holds them, as ``cnt/00.png`` and so on; None: in the cache, fetched if they are not there.

    Raises:
        InputError: If one is missing and cannot be fetched, or is another picture. The message says what to put where.
    """
    if given is not None:
        folder = expanded(given)
        for path, digest in digests(name).items():
            if not (folder / path).is_file():
                raise InputError(f"{folder} lacks {path} of {name}: get it from {ADDRESSES[name]}/{path}")
            if sha256_of(folder / path) != digest:
                raise InputError(f"{folder / path} is not the picture of {name}: get {ADDRESSES[name]}/{path}")
        return folder
    folder = cache_folder() / name
    missing = [path for path, digest in digests(name).items() if not _holds(folder / path, digest)]
    if not missing:  # before taking the lock: a shared cache may be read-only
        return folder
    try:
        with locked(folder):
            for path in missing:
                if not _holds(folder / path, digests(name)[path]):
                    download(f"{ADDRESSES[name]}/{path}", folder / path, digests(name)[path])
    except (FetchError, OSError) as error:
        raise InputError(
            f"{len(missing)} of {len(digests(name))} pictures of {name} are not in the cache and could not be fetched "
            f"({error}): on a machine with a network get the folders {CONTENT}/ and {STYLE}/ of {ADDRESSES[name]} and put "
            f"them into {folder}, or give their folder as benchmark.pictures=FOLDER"
        ) from None
    return folder


def _holds(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest
