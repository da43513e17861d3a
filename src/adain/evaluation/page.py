"""The page of an evaluation: pictures with their figures, the worst and the best pairs first. One file, no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from adain.evaluation.pairs import Pair
from adain.evaluation.results import figures
from adain.evaluation.run import Frame
from adain.evaluation.store import Row
from adain.runtime.files import write_whole
from adain.runtime.schema import HIGHER_IS_BETTER

_SIDE = 128  # pixels


def render(template: Path, **values: object) -> str:
    """Return a page of a template, which may include those of this folder. Values are escaped unless marked safe."""
    loader = FileSystemLoader([template.parent, Path(__file__).parent])
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    environment.filters["figure"] = lambda value: f"{value:.4g}"
    environment.filters["thousandths"] = lambda value: f"{value:.3f}"
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    return environment.get_template(template.name).render(**values)


def embedded(picture: Image.Image, side: int) -> str:
    """Return a picture as the address of a JPEG inside the page, its long side at most ``side`` pixels."""
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    small.save(data, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()


def chosen(rows: Sequence[Row], order: str, higher_is_better: bool, count: int) -> list[tuple[str, Row]]:
    """Return the pairs that the page shows, by the figure ``order``: the worst third, the best, and others evenly between.

    Each comes with the word ``worst``, ``best`` or ``between``, in that order.
    """
    ranked = sorted(rows, key=lambda row: row[order], reverse=not higher_is_better)  # worst first
    count = min(count, len(ranked))
    end = (count + 2) // 3
    worst, best = ranked[:end], ranked[end:][::-1][: min(end, count - end)]
    rest = ranked[len(worst) : len(ranked) - len(best)]
    left = count - len(worst) - len(best)
    between = [rest[int((i + 0.5) * len(rest) / left)] for i in range(left)]
    return [*(("worst", r) for r in worst), *(("best", r) for r in best), *(("between", r) for r in between)]


def write_page(
    folder: Path, title: str, pairs: Sequence[Pair], rows: Sequence[Row], results: Mapping[str, Any], frame: Frame,
    order: str, count: int,
) -> Path:  # fmt: skip
    """Write ``index.html`` and return its path.

    Args:
        folder: Of the evaluation; its thumbnails are put into the page.
        title: Shown above.
        pairs: All of them.
        rows: All figures.
        results: What ``results.json`` holds.
        frame: How contents and styles are shown.
        order: The figure that decides what is worst and best; the first there is, if that was not measured.
        count: How many pairs are shown.
    """
    names = figures(rows)
    if names:
        order = order if order in names else names[0]
        shown = chosen(rows, order, order in HIGHER_IS_BETTER, count)
        said = f"the worst by {order}, then the best, then some between. A click on a column sorts by it"
    else:
        shown, said = [("", row) for row in rows[:count]], "no figure of pairs was measured"
    given = cache(lambda path: embedded(frame.read(path), _SIDE))  # in a cross of folders each is shown again and again
    lines = []
    for kind, row in shown:
        pair = pairs[row["index"]]
        with Image.open(folder / "thumbs" / f"{row['index']:07d}.jpg") as thumb:
            output = embedded(thumb.convert("RGB"), _SIDE)
        lines.append({
            "kind": kind, "content": pair.content, "style": pair.style, "figures": [row[name] for name in names],
            "content_picture": given(pair.content_path), "style_picture": given(pair.style_path),
            "output_picture": output,
        })  # fmt: skip
    notes = [f"{name} left out: {reason}" for name, reason in results["left_out"].items()]
    notes += [*results["notes"], f"Interval: {results['interval']}. Precision: {results['precision']}."]
    page = render(
        Path(__file__).with_name("page.html.jinja"), title=title, metrics=results["metrics"], notes=notes,
        names=names, rows=lines, total=len(rows), order=said, side=_SIDE, protocol=results["protocol"],
        conventions=results["conventions"], warnings=results["warnings"], published=results["published"],
    )  # fmt: skip
    path = folder / "index.html"
    write_whole(path, page)
    return path
