"""The results as one page of Markdown, CSV tables and figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from adain.evaluation.paper.controls import COLORINGS, corners, shown_neighbors, shown_pairs
from adain.evaluation.paper.figures import (
    COLORS,
    draw_interpolation,
    draw_losses,
    draw_normalization,
    draw_pictures,
    draw_strength,
)
from adain.evaluation.paper.normalization import last_losses, style_losses
from adain.evaluation.paper.published import NAMES, SOURCE
from adain.evaluation.paper.request import ABLATIONS, VERSIONS, Request
from adain.evaluation.paper.tables import (
    MISSING,
    ablations_table,
    color_table,
    interpolation_table,
    losses_table,
    losses_title,
    normalization_table,
    regions_table,
    speed_table,
    split_table,
    strength_tables,
)
from adain.evaluation.results import write_csv
from adain.evaluation.run import Frame
from adain.evaluation.store import ComparisonStore, Row, Table
from adain.runtime.files import write_whole
from adain.training.curves import all_curves, draw_curves

COLUMNS = ("adain", "texture_network", "style_swap", "gatys")


Line = tuple[Sequence[Path], Sequence[str]]
"""A row of a figure of pictures: contents and styles, as they are, and names of outputs in the store."""


@dataclass
class Page:
    """The page as it is written.

    Attributes:
        store: The comparison's.
        settings: What it is of.
        request: What is compared on what.
        systems: How each network was come by, in words.
        files: The CSV and PNG files so far.
    """

    store: ComparisonStore
    settings: Mapping[str, Any]
    request: Request
    systems: Mapping[str, str]
    files: list[Path] = field(default_factory=list)

    def write(self) -> list[Path]:
        """Write ``compare.md`` and all tables and figures that there are results for; return the CSV and PNG files."""
        machine = self.settings["machine"]
        where = machine["device"] if machine["device"] != "cpu" else f"{machine['cpu']}, {machine['threads']} threads"
        lines = [
            "# AdaIN beside the other systems", "",
            f"Machine: {where}; torch {machine['torch']}, Python {machine['python']}. All rows of this page are of this "
            f"machine unless they say \"{SOURCE}\". Lower is better in every table. Figures are numbered as in the paper.", "",
        ]  # fmt: skip
        for title, part, section in (
            ("Table 1: speed", "speed", self._speed),
            ("Figure 3: losses", "losses", self._losses),
            ("Figure 4: pictures", "pictures", self._pictures),
            ("Figure 1: instance and batch normalization", "normalization", self._normalization),
            ("Figures 5 and 6: ablations", "ablations", self._ablations),
            ("Figure 7: strength", "controls", self._strength),
            ("Figure 8: interpolation", "controls", self._interpolation),
            ("Figure 9: color", "controls", self._color),
            ("Figure 10: regions", "controls", self._regions),
        ):
            lines += [f"## {title}", "", *(section() or [f"{MISSING}: `make compare parts={part}`", ""])]
        write_whole(self.store.folder / "compare.md", "\n".join(lines))
        return self.files

    # --- sections, empty where there is nothing yet -------------------------------------------------------------------

    def _speed(self) -> list[str]:
        if not (rows := self._table("speed")):
            return []
        return [*speed_table(rows, self.settings), *split_table(self._table("split"))]

    def _losses(self) -> list[str]:
        if not (rows := self._table("losses")):
            return []
        title = losses_title(rows, self.settings)
        image = self._figure("losses", "Losses", draw_losses, rows, title)
        return [*image, *losses_table(rows, self.settings, self.systems)]

    def _pictures(self) -> list[str]:
        names = self._made(COLUMNS, "pair_0_{}")
        lines = [
            ((pair.content_path, pair.style_path), [f"pair_{row}_{name}" for name in names])
            for row, pair in enumerate(self.request.picture_pairs)
        ]
        columns = ["content", "style", *(_column(name, self.settings) for name in names)]
        how = " ".join(f"{NAMES[name]}: {self.systems[name]}." for name in names if name in self.systems)
        image = self._grid("pictures", "Pictures", "pictures", columns, lines)
        return [*image, how, ""] if image else []

    def _normalization(self) -> list[str]:
        losses = style_losses(self.store.folder / "trained")
        if not losses:
            return []
        examples = {
            version: picture
            for version in VERSIONS
            if (picture := _opened(self.store.folder / "photographs" / version / "00000.png")) is not None
        }
        image = self._figure("normalization", "Style loss by step", draw_normalization, losses, examples)
        if rows := last_losses(losses):
            self._csv("normalization", rows)
        return [*image, *normalization_table(rows)]

    def _ablations(self) -> list[str]:
        names = self._made(ABLATIONS, "ablation_0_{}")
        lines = [
            ((pair.style_path, pair.content_path), [f"ablation_{row}_{name}" for name in names])
            for row, pair in enumerate(self.request.ablation_rows)
        ]
        columns = ["style", "content", *(NAMES[name] for name in names)]
        page = self._grid("ablations", "Ablations", "ablations", columns, lines)
        if rows := self._table("ablations"):
            page += ablations_table(rows, self.settings, self.systems)
        curves = [all_curves(self.store.folder / "trained" / name, NAMES[name]) for name in ABLATIONS]
        curves = [curve for curve in curves if any(curve.training.values())]
        if curves:
            colors = {NAMES[name]: color for name, color in COLORS.items()}
            page += self._figure("training", "Training curves", draw_curves, curves, colors)
        return page

    def _strength(self) -> list[str]:
        if not (alpha := self._table("alpha")):
            return []
        weights = self._table("style_weight")
        alphas = self.settings["controls"]["alphas"]
        lines = [
            ((pair.content_path, pair.style_path), [f"alpha_{row}_{alpha:g}" for alpha in alphas])
            for row, pair in enumerate(shown_pairs(self.request.control_pairs))
        ]
        columns = ["content", "style", *(f"alpha {alpha:g}" for alpha in alphas)]
        return [
            *self._grid("alpha", "Strength", "controls", columns, lines),
            *self._figure("strength", "Losses", draw_strength, alpha, weights),
            *strength_tables(alpha, weights, self.systems),
        ]

    def _interpolation(self) -> list[str]:
        if not (rows := self._table("interpolation")):
            return []
        places = range(len(self.settings["controls"]["alphas"]))
        made = [[_opened(self.store.output(f"mix_{i}_{j}")) for j in places] for i in places]
        mixes = [[picture for picture in line if picture is not None] for line in made]
        frame = Frame(self.settings["controls"]["size"], crop=True)
        styles = [frame.read(pair.style_path) for pair in corners(self.request.control_pairs)]
        image = self._figure("interpolation", "Between styles", draw_interpolation, mixes, styles, rows)
        return [*image, *interpolation_table(rows)]

    def _color(self) -> list[str]:
        if not (rows := self._table("color")):
            return []
        lines = [
            ((pair.content_path, pair.style_path), [f"color_{row}_{control}" for control in COLORINGS])
            for row, pair in enumerate(shown_pairs(self.request.control_pairs))
        ]
        columns = ["content", "style", "the style's colors", "coral", "luminance"]
        return [*self._grid("color", "Color control", "controls", columns, lines), *color_table(rows)]

    def _regions(self) -> list[str]:
        if not (rows := self._table("regions")):
            return []
        lines = [
            ((first.content_path, first.style_path, second.style_path), [f"regions_{row}"])
            for row, (first, second) in enumerate(shown_neighbors(self.request.control_pairs))
        ]
        columns = ["content", "style of the left half", "of the right half", "output"]
        return [*self._grid("regions", "Regions", "controls", columns, lines), *regions_table(rows)]

    # --- their parts --------------------------------------------------------------------------------------------------

    def _table(self, name: Table) -> list[Row]:
        """Return a table's rows, written as CSV."""
        rows = self.store.rows(name)
        if rows:
            self._csv(name, rows)
        return rows

    def _csv(self, name: str, rows: Sequence[Row]) -> None:
        path = self.store.folder / f"{name}.csv"
        write_csv(path, rows)
        self.files.append(path)

    def _figure(self, name: str, title: str, draw: Callable[..., None], *shown: object) -> list[str]:
        """Draw a figure if it shows something else than before, and return the lines that show it."""
        path = self.store.folder / f"{name}.png"
        if self.store.due(path, *shown):
            draw(path, *shown)
        self.files.append(path)
        return [f"![{title}]({path.name})", ""]

    def _grid(self, name: str, title: str, section: str, columns: Sequence[str], lines: Sequence[Line]) -> list[str]:
        """Draw a figure of pictures, empty places and all; none if there is no output yet."""
        files = [self.store.output(output) for _, outputs in lines for output in outputs]
        if not any(file.exists() for file in files):
            return []
        size = self.settings[section]["size"]
        frame = Frame(size, crop=True)

        def draw(path: Path, _: object) -> None:
            rows = [
                [*map(frame.read, inputs), *(_opened(self.store.output(output)) for output in outputs)]
                for inputs, outputs in lines
            ]
            draw_pictures(path, columns, rows)

        stamps = [(file, file.stat().st_mtime_ns if file.exists() else None) for file in files]
        return [*self._figure(name, title, draw, stamps), f"Pictures of {size} x {size} px.", ""]

    def _made(self, names: Sequence[str], pattern: str) -> list[str]:
        """Return the systems that have made their first picture."""
        return [name for name in names if self.store.output(pattern.format(name)).exists()]


def _opened(path: Path) -> Image.Image | None:
    """Return a picture, or None where it is not made yet."""
    if not path.exists():
        return None
    with Image.open(path) as picture:
        return picture.convert("RGB")


def _column(name: str, settings: Mapping[str, Any]) -> str:
    if name == "gatys":
        return f"Gatys et al.\n{settings['gatys']['iterations']} iterations"
    return {"style_swap": "style swap\n(Chen & Schmidt)", "texture_network": "texture network\n(Ulyanov et al.)"}.get(
        name, NAMES[name]
    )
