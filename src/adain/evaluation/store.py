"""The folder of an evaluation: its settings, and each pair's figures as soon as they are known.

Rows are appended as JSON lines, one file a rank; a line cut short by a crash is dropped and its pair measured again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adain.evaluation.pairs import Pair
from adain.runtime.errors import UserError
from adain.runtime.files import lock, replacing, write_whole

Row = dict[str, Any]


def digest(value: Any) -> str:
    """Eight hexadecimal digits that stand for a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Every whole line of a file of JSON rows; one cut short by a crash is dropped."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError):
            rows.append(json.loads(line))
    return rows


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Makes a folder of results and keeps a second process out of it.

    Raises:
        UserError: If another process has it, or it cannot be written.
    """
    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = held.enter_context(lock(folder / ".lock"))
        except OSError as error:
            raise UserError(f"out={folder} cannot be written ({error.strerror}): give another folder") from None
        if not free:
            raise UserError(f"another process is working in {folder}: wait for it, or give another out=FOLDER")
        yield


class Store:
    """One evaluation's folder.

    Args:
        folder: It need not exist.
        rank: Of this process: each appends to a file of its own.
    """

    def __init__(self, folder: Path, rank: int = 0) -> None:
        self.folder, self.rank = folder, rank

    @property
    def settings(self) -> dict[str, Any]:
        """What the evaluation in the folder is of.

        Raises:
            UserError: If there is none.
        """
        try:
            found: dict[str, Any] = json.loads((self.folder / "settings.json").read_text())
        except (OSError, ValueError):
            raise UserError(
                f"{self.folder} is no folder of an evaluation (it has no settings.json): check it"
            ) from None
        return found

    def open(self, settings: Mapping[str, Any], pairs: Sequence[Pair]) -> None:
        """Begins or goes on.

        Raises:
            UserError: If the folder holds another evaluation, naming what differs; what it holds stays as it is.
        """
        wanted = {**settings, "pairs": digest([(p.content, p.style) for p in pairs]), "count": len(pairs)}
        if (self.folder / "settings.json").exists():
            found = self.settings
            if different := [key for key in wanted if found.get(key) != wanted[key]]:
                key = different[0]
                raise UserError(
                    f"{self.folder} holds an evaluation with {key}={found.get(key)}, but {key}={wanted[key]} is asked "
                    "for: give another out=FOLDER; what is there stays"
                )
            return
        try:
            for name in ("thumbs", "features"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / "settings.json", json.dumps(wanted, indent=2) + "\n")
        except OSError as error:
            raise UserError(f"out={self.folder} cannot be written ({error.strerror}): give another folder") from None

    def rows(self) -> dict[int, Row]:
        """Every whole row so far, by its pair's index, of all ranks."""
        found: dict[int, Row] = {}
        for path in sorted(self.folder.glob("rows-*.jsonl")):
            found.update((row["index"], row) for row in read_rows(path))
        return dict(sorted(found.items()))

    def append(self, rows: Sequence[Row], features: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Keeps a batch: its features first, then its rows, which say that it is done."""
        if features:
            index = np.array([row["index"] for row in rows])
            target = self.folder / "features" / f"{index[0]:07d}.npz"
            with replacing(target) as part, part.open("wb") as file:
                np.savez(file, allow_pickle=False, index=index, **features)
        path = self.folder / f"rows-{self.rank}.jsonl"
        with path.open("ab+") as file:
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")  # the line before was cut short
            file.write("".join(json.dumps(row) + "\n" for row in rows).encode())
            file.flush()

    def features(self, name: str) -> dict[int, npt.NDArray[np.float32]]:
        """The outputs' features of one Frechet distance, by pair."""
        found: dict[int, npt.NDArray[np.float32]] = {}
        for path in sorted((self.folder / "features").glob("*.npz")):
            with np.load(path) as part:
                if name in part:
                    found.update(zip(part["index"].tolist(), part[name], strict=True))
        return found
