"""The folder of a comparison: its settings, and every row as soon as it is known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from adain.evaluation.store import read_rows
from adain.runtime.errors import UserError
from adain.runtime.files import replacing, write_whole

Row = dict[str, Any]
"""One line of the results. Values are plain."""

Part = Literal["speed", "losses", "pictures", "ablations"]
"""Of the comparison, in the order of the paper."""


class Store:
    """One comparison's folder.

    Args:
        folder: It need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._drawn: dict[Path, tuple[object, ...]] = {}

    def open(self, settings: Mapping[str, Any]) -> None:
        """Begins or goes on.

        Raises:
            UserError: If the folder holds a comparison of other settings, naming the first that differs, or cannot be
                written. What is there stays.
        """
        path = self.folder / "settings.json"
        if path.exists():
            try:
                found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                raise UserError(f"{path} is cut short: remove it, or give another out=FOLDER") from None
            if different := [key for key in settings if found.get(key) != settings[key]]:
                key = different[0]
                raise UserError(
                    f"{self.folder} holds a comparison with {key}={_short(found.get(key))}, but {_short(settings[key])} is "
                    "given: give another out=FOLDER; what is there stays"
                )
            return
        try:
            (self.folder / "outputs").mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(settings, indent=2) + "\n")
        except OSError as error:
            raise UserError(f"out={self.folder} cannot be written ({error.strerror}): give another folder") from None

    def rows(self, part: Part) -> list[Row]:
        """Every whole row of a part, in the order of their making; a line cut short by a crash is dropped."""
        path = self.folder / f"{part}.jsonl"
        return read_rows(path) if path.exists() else []

    def append(self, part: Part, rows: Sequence[Row]) -> None:
        """Keeps rows that belong together: all of them, or none if this breaks off."""
        path = self.folder / f"{part}.jsonl"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        write_whole(path, whole + "".join(json.dumps(row) + "\n" for row in rows))

    def has(self, part: Part, **values: Any) -> bool:
        """Whether there is a row with these values."""
        return any(all(row.get(key) == value for key, value in values.items()) for row in self.rows(part))

    def due(self, figure: Path, *shown: object) -> bool:
        """Whether a figure is to be drawn: it shows something else than this process drew last."""
        due = self._drawn.get(figure) != shown
        self._drawn[figure] = shown
        return due

    def output(self, name: str) -> Path:
        """The file of an output picture, there or not."""
        return self.folder / "outputs" / f"{name}.png"

    def keep(self, name: str, picture: Image.Image) -> None:
        """Writes an output picture beside its place and moves it there whole."""
        with replacing(self.output(name)) as part:
            picture.save(part, "PNG")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
