"""The record of a stylized data set: settings, what came from what, and what could not be read. It survives kills.

A picture is written under a hidden name first. Then its row is appended, then the picture gets its name. So a picture
under its final name always has its row, and a row without a picture is that of the few in hand when a run was killed:
it is dropped when the manifest is opened again. Rows cut in mid-line are dropped too.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from adain.runtime.errors import UserError
from adain.runtime.files import is_locked, lock, replacing, write_whole

SETTINGS = "settings.json"


class Manifest:
    """One shard's record in an output folder.

    Args:
        out: The output folder; made if it is not there.
        settings: What decides the pictures. Another run in the same folder must have the same. Of a mapping with
            ``name`` and ``sha256`` the latter counts.
        shard, shards: Which part this is.

    Raises:
        UserError: If the folder holds other files, or pictures made with other settings, if another process works on
            the same shard, or if nothing can be written.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any], shard: int = 0, shards: int = 1) -> None:
        self.out = out
        part = f"{shard:05d}-of-{shards:05d}"
        self.path, self.unreadable_path = out / f"manifest-{part}.jsonl", out / f"unreadable-{part}.jsonl"
        self.skipped: set[tuple[str, str]] = set()
        self._append = threading.Lock()
        self._files: dict[Path, int] = {}
        with _explained(out), contextlib.ExitStack() as held:
            out.mkdir(parents=True, exist_ok=True)
            with lock(out / ".settings.lock", wait=True):  # one process at a time
                self._agree(settings)
                if not held.enter_context(lock(out / f".manifest-{part}.lock")):
                    raise UserError(
                        f"shard={shard} of out={out} is being worked on by another process: wait for it, or give another "
                        "shard"
                    )
            self._done = self._clean()
            self._forget_contents()
            self._held = held.pop_all()

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            os.close(file)
        self._files.clear()
        self._held.close()

    def __len__(self) -> int:
        """Return how many pictures were there when the manifest was opened."""
        return len(self._done)

    def has(self, output: str) -> bool:
        """Return whether a picture was there, with its row, when the manifest was opened."""
        key = _key(output)
        place = int(np.searchsorted(self._done, key))
        return place < len(self._done) and self._done[place] == key

    def commit(self, row: Mapping[str, Any]) -> None:
        """Append a row and give its picture, ``row["output"]`` written by ``write_part``, its name.

        Threads may call this.

        Raises:
            UserError: If the disk is full or the folder cannot be written.
        """
        with _explained(self.out), self._append:
            self._write(self.path, row)
            os.replace(part_path(self.out, row["output"]), self.out / row["output"])

    def unreadable(self, kind: str, name: str, reason: str) -> None:
        """List a picture that was skipped, once: ``kind`` is ``content`` or ``style``."""
        with _explained(self.out), self._append:
            if (kind, name) not in self.skipped:
                self._write(self.unreadable_path, {"kind": kind, "name": name, "reason": reason})
                self.skipped.add((kind, name))

    def _write(self, path: Path, row: Mapping[str, Any]) -> None:
        if path not in self._files:
            self._files[path] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        line = json.dumps(row).encode() + b"\n"
        if os.write(self._files[path], line) != len(line):
            raise OSError(28, "no space left on device")

    def _agree(self, settings: Mapping[str, Any]) -> None:
        """Write the settings, or compare them with those that are there."""
        path = self.out / SETTINGS
        if path.is_file():
            try:
                before = dict(json.loads(path.read_text(encoding="utf-8")))
            except (TypeError, ValueError):
                raise UserError(f"{path} cannot be read: give another folder as out") from None
            if self._begun() or before.keys() != settings.keys():
                for key in [*settings, *(k for k in before if k not in settings)]:
                    if _identity(before.get(key)) != _identity(settings.get(key)):
                        raise UserError(
                            f"{key} is {_shown(settings.get(key))}, but the pictures in out={self.out} were begun with "
                            f"{_shown(before.get(key))}: give that again, or another folder as out"
                        )
                return
        else:
            with os.scandir(self.out) as entries:
                foreign = next((entry.name for entry in entries if not entry.name.startswith(".")), None)
            if foreign is not None:
                raise UserError(
                    f"out={self.out} holds {foreign}, which is not of a stylized data set: give a new or an empty folder"
                )
        write_whole(path, json.dumps(settings, indent=2) + "\n")

    def _begun(self) -> bool:
        """Return whether a shard has made a picture or is at work: until then other settings do no harm."""
        return any(self.out.glob("manifest-*.jsonl")) or any(map(is_locked, self.out.glob(".manifest-*.lock")))

    def _clean(self) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        """Keep the whole rows whose picture is there, once each, and return their outputs' keys, sorted.

        The file is only written anew where something is dropped.
        """
        if not self.path.exists():
            return np.empty(0, np.uint64)
        length, keys = 0, array("Q")
        for key, line in self._rows():
            keys.append(key)
            length += len(line)
        kept, first = np.unique(np.array(keys, np.uint64), return_index=True)
        if length == os.path.getsize(self.path) and len(kept) == len(keys):
            return kept
        chosen = np.zeros(len(keys), bool)
        chosen[first] = True
        with replacing(self.path) as part, part.open("wb") as file:
            file.writelines(line for (_, line), keep in zip(self._rows(), chosen, strict=True) if keep)
        return kept

    def _forget_contents(self) -> None:
        """Forget unreadable contents, which are tried anew; styles are only where a picture to be made needs them."""
        if not self.unreadable_path.exists():
            return
        kept = []
        for line in self.unreadable_path.read_bytes().splitlines(keepends=True):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                if row["kind"] == "style" and line.endswith(b"\n"):
                    self.skipped.add(("style", row["name"]))
                    kept.append(line)
        write_whole(self.unreadable_path, b"".join(kept))
        if not kept:
            self.unreadable_path.unlink()

    def _rows(self) -> Iterator[tuple[int, bytes]]:
        """Yield key and line of each whole row whose picture is there and not empty."""
        with self.path.open("rb") as file:
            for line in file:
                try:
                    output: str = json.loads(line)["output"]
                    there = line.endswith(b"\n") and (self.out / output).stat().st_size > 0
                except (ValueError, TypeError, KeyError, OSError):
                    continue
                if there:
                    yield int(_key(output)), line


def part_path(out: Path, output: str) -> Path:
    """Return the hidden name of a picture that is not committed yet: always the same, so that none is left behind.

    It is not the picture's own name with something added, which could be longer than a file system takes.
    """
    return (out / output).parent / f".part-{int(_key(output)):016x}"


def write_part(out: Path, output: str, content: bytes) -> None:
    """Write a picture's file under its hidden name and make its folder.

    Raises:
        UserError: If the disk is full or the folder cannot be written.
    """
    with _explained(out):
        path = part_path(out, output)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _key(output: str) -> np.uint64:
    """Return 64 bits of a name: a million names in 8 MB. Two of a million agree with a chance of one in 30 million."""
    return np.uint64(int.from_bytes(hashlib.blake2b(os.fsencode(output), digest_size=8).digest(), "big"))


def _identity(value: Any) -> Any:
    return value.get("sha256") if isinstance(value, dict) else value


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value.get('name')} (SHA-256 {str(value.get('sha256'))[:8]}..)"
    return "null" if value is None else str(value)


@contextlib.contextmanager
def _explained(out: Path) -> Iterator[None]:
    """Raise an OSError as one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (28, 122):  # no space, quota
            raise UserError(
                f"the disk of out={out} is full: make room and give the same command again; nothing is lost"
            ) from None
        raise UserError(f"out={out} cannot be written ({error.strerror or error}): check the folder") from None
