"""Folders of results: what they are of, and each row as soon as it is known.

Rows are JSON lines, several files a folder. A line that a crash cut short is dropped, and its work done again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from adain.evaluation.pairs import Pair
from adain.runtime.errors import InputError
from adain.runtime.fetch import sha256_of
from adain.runtime.files import lock, replacing, write_whole
from adain.runtime.schema import current_name

Row = dict[str, Any]
"""One line of the results. Values are plain."""
Table = Literal["speed", "split", "losses", "ablations", "alpha", "style_weight", "interpolation", "color", "regions"]
"""A comparison's files of rows."""


def digest(value: Any) -> str:
    """Return eight hexadecimal digits that stand for a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


def picture_digests(pairs: Sequence[Pair]) -> dict[str, str]:
    """Return the digest of every content and style, by kind and name: another picture may take a file's place."""
    files = {f"content {pair.content}": pair.content_path for pair in pairs}
    files |= {f"style {pair.style}": pair.style_path for pair in pairs}
    return {name: sha256_of(path)[:16] for name, path in files.items()}


def folder_for(parent: Path, label: str, settings: Any, digests: Mapping[str, str]) -> Path:
    """Return the folder that stands for settings and ``picture_digests``, or the one of version 0.2, which had none."""
    earlier = parent / f"{label}{digest(settings)}"
    return earlier if earlier.is_dir() else parent / f"{label}{digest([settings, digests])}"


def current_names(value: Any) -> Any:
    """Return a JSON value with every name that version 0.1 wrote, key or text, in today's spelling."""
    if isinstance(value, dict):
        return {current_name(key): current_names(item) for key, item in value.items()}
    return [current_names(item) for item in value] if isinstance(value, list) else current_name(value)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make a folder of results and keep a second process out of it.

    Raises:
        InputError: If another process has it, or it cannot be written.
    """
    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = held.enter_context(lock(folder / ".lock"))
        except OSError as error:
            raise InputError(f"out={folder} cannot be written ({error.strerror}): give another folder") from None
        if not free:
            raise InputError(f"another process is working in {folder}: wait for it, or give another out=FOLDER")
        yield


class Store:
    """A folder of results that can be continued. It need not exist yet."""

    kind: ClassVar[str] = "a folder of results"
    subfolders: ClassVar[tuple[str, ...]] = ()

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def settings(self) -> dict[str, Any]:
        """What the folder holds.

        Raises:
            InputError: If it holds no settings, or cut ones.
        """
        path = self.folder / "settings.json"
        try:
            found: dict[str, Any] = current_names(json.loads(path.read_text(encoding="utf-8")))
        except OSError:
            raise InputError(f"{self.folder} does not hold {self.kind} (it has no settings.json): check it") from None
        except ValueError:
            raise InputError(f"{path} is cut short: remove it, or give another out=FOLDER") from None
        return found

    def open(self, settings: Mapping[str, Any]) -> None:
        """Begin, or continue what is there.

        Raises:
            InputError: If the folder holds results of other settings, naming the first that differs, or of other
                pictures (``picture_digests``), or cannot be written. What it holds stays as it is.
        """
        path = self.folder / "settings.json"
        if path.exists():
            found = self.settings
            if different := [key for key in settings if found.get(key) != settings[key] and key != "digests"]:
                key = different[0]
                raise InputError(
                    f"{self.folder} holds {self.kind} with {key}={_short(found.get(key))}, but {key}={_short(settings[key])} "
                    "is asked for: give another out=FOLDER; what is there stays"
                )
            before, now = found.get("digests", {}), settings.get("digests", {})  # version 0.2 kept none
            if changed := [name for name in now if before.get(name, now[name]) != now[name]]:
                more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
                raise InputError(
                    f"{self.folder} holds {self.kind} of other pictures: {changed[0]}{more} changed since: put the file back, "
                    "or give another out=FOLDER; what is there stays"
                )
            return
        try:
            for name in self.subfolders:
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(settings, indent=2) + "\n")
        except OSError as error:
            raise InputError(f"out={self.folder} cannot be written ({error.strerror}): give another folder") from None

    def read_rows(self, name: str) -> list[Row]:
        """Return every whole row of one file, in the order of their making; none if there is no such file."""
        path = self.folder / f"{name}.jsonl"
        rows = []
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            with contextlib.suppress(ValueError):
                rows.append(current_names(json.loads(line)))
        return rows


class EvaluationStore(Store):
    """One evaluation's folder: a file of rows for each rank, to which it alone appends, and the outputs' features."""

    kind = "an evaluation"
    subfolders = ("thumbs", "features")

    def __init__(self, folder: Path, rank: int = 0) -> None:
        super().__init__(folder)
        self.rank = rank

    def open_pairs(self, settings: Mapping[str, Any], pairs: Sequence[Pair]) -> None:
        """Begin, or continue; rows are known by their pair's place, so the pairs are settings too."""
        self.open({**settings, "pairs": digest([(p.content, p.style) for p in pairs]), "count": len(pairs)})

    def rows(self) -> dict[int, Row]:
        """Return every whole row so far, by its pair's index, of all ranks."""
        found: dict[int, Row] = {}
        for path in sorted(self.folder.glob("rows-*.jsonl")):
            found.update((row["index"], row) for row in self.read_rows(path.stem))
        return dict(sorted(found.items()))

    def append(self, rows: Sequence[Row], features: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Keep a batch: its features first, then its rows, which say that it is done."""
        if features:
            index = np.array([row["index"] for row in rows])
            # a batch of other pairs that begins with the same one has a file of its own
            target = self.folder / "features" / f"{index[0]:07d}-{digest(index.tolist())}.npz"
            with replacing(target) as part, part.open("wb") as file:
                np.savez(file, allow_pickle=False, index=index, **features)
        with (self.folder / f"rows-{self.rank}.jsonl").open("ab+") as file:
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")  # the line before was cut short
            file.write("".join(json.dumps(row) + "\n" for row in rows).encode())

    def features(self, name: str) -> dict[int, npt.NDArray[np.float32]]:
        """Return the outputs' features of one Frechet distance, by pair."""
        found: dict[int, npt.NDArray[np.float32]] = {}
        for path in sorted((self.folder / "features").glob("*.npz")):
            with np.load(path) as part:
                if name in part:
                    found.update(zip(part["index"].tolist(), part[name], strict=True))
        return found


class ComparisonStore(Store):
    """One comparison's folder: a file of rows for each part, and the output pictures."""

    kind = "a comparison"
    subfolders = ("outputs",)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._drawn: dict[Path, tuple[object, ...]] = {}

    def rows(self, table: Table) -> list[Row]:
        """Return every whole row of a table, in the order of their making."""
        return self.read_rows(table)

    def append(self, table: Table, rows: Sequence[Row]) -> None:
        """Keep rows that belong together: all of them, or none if this breaks off."""
        path = self.folder / f"{table}.jsonl"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        write_whole(path, whole + "".join(json.dumps(row) + "\n" for row in rows))

    def has(self, table: Table, **values: Any) -> bool:
        """Return whether there is a row with these values."""
        return any(all(row.get(key) == value for key, value in values.items()) for row in self.rows(table))

    def due(self, figure: Path, *shown: object) -> bool:
        """Return whether a figure is to be drawn: it shows something else than this process drew last."""
        due = self._drawn.get(figure) != shown
        self._drawn[figure] = shown
        return due

    def output(self, name: str) -> Path:
        """Return the file of an output picture, there or not."""
        return self.folder / "outputs" / f"{name}.png"

    def keep(self, name: str, picture: Image.Image) -> None:
        """Write an output picture beside its place and move it there whole."""
        with replacing(self.output(name)) as part:
            picture.save(part, "PNG")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
