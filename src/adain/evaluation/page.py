"""The page of an evaluation: pictures with their figures, the worst and the best pairs first. One file, no network."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from adain.evaluation.pairs import Pair
from adain.evaluation.results import figures
from adain.evaluation.run import Frame
from adain.evaluation.store import Row
from adain.runtime.files import write_whole
from adain.runtime.schema import HIGHER_IS_BETTER

_SIDE = 128  # pixels

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1500px;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;margin:1rem 0}th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #ddd}
th:first-child,td:first-child{text-align:left}th{position:sticky;top:0;background:#f4f4f4}
button{all:unset;cursor:pointer;font-weight:600}button:hover,button:focus-visible{text-decoration:underline}
img{display:block;border-radius:3px}td.names{text-align:left;font-size:12px;color:#555;min-width:9rem;overflow-wrap:anywhere}
.wide{overflow-x:auto}.note{color:#555}th[aria-sort=ascending] button:after{content:" \\2191"}
th[aria-sort=descending] button:after{content:" \\2193"}
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}th{background:#262626}th,td{border-color:#444}
td.names,.note{color:#aaa}}
"""

_SCRIPT = """
const body=document.querySelector('#pairs tbody');
document.querySelectorAll('#pairs th button').forEach(button=>button.addEventListener('click',()=>{
  const th=button.parentElement,down=th.getAttribute('aria-sort')!=='descending';
  document.querySelectorAll('#pairs th').forEach(other=>other.removeAttribute('aria-sort'));
  th.setAttribute('aria-sort',down?'descending':'ascending');
  const value=row=>Number(row.children[th.cellIndex].dataset.value);
  [...body.rows].sort((a,b)=>down?value(b)-value(a):value(a)-value(b)).forEach(row=>body.append(row));
}));
"""


def chosen(rows: Sequence[Row], order: str, higher_is_better: bool, count: int) -> list[tuple[str, Row]]:
    """Which pairs the page shows: the worst third, the best third, and others at even distances between.

    Args:
        rows: All.
        order: The figure that decides.
        higher_is_better: Its direction.
        count: How many to show.

    Returns:
        Pairs with ``worst``, ``best`` or ``between``, in that order.
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
    """Writes ``index.html``.

    Args:
        folder: Of the evaluation; its thumbnails are put into the page.
        title: Shown above.
        pairs: All of them.
        rows: All figures.
        results: Of ``results.summarize``, with ``left_out`` and ``notes``.
        frame: How contents and styles are shown.
        order: The figure that decides what is worst and best; the first there is, if that was not measured.
        count: How many pairs are shown.
    """
    names = figures(rows)
    if names:
        order = order if order in names else names[0]
        shown_rows = chosen(rows, order, order in HIGHER_IS_BETTER, count)
        said = f"the worst by {order}, then the best, then some between. A click on a column sorts by it"
    else:
        shown_rows, said = [("", row) for row in rows[:count]], "no figure of pairs was measured"
    pictures: dict[Path, str] = {}

    def shown(path: Path) -> str:
        if path not in pictures:
            pictures[path] = _embedded(frame.read(path))
        return pictures[path]

    lines = []
    for kind, row in shown_rows:
        pair = pairs[row["index"]]
        with Image.open(folder / "thumbs" / f"{row['index']:07d}.jpg") as thumb:
            output = _embedded(thumb.convert("RGB"))
        cells = "".join(f'<td data-value="{row[name]}">{row[name]:.4g}</td>' for name in names)
        lines.append(
            f"<tr><td>{kind}</td>{_cell(shown(pair.content_path), 'content ' + pair.content)}"
            f"{_cell(shown(pair.style_path), 'style ' + pair.style)}{_cell(output, 'output')}"
            f'<td class="names">{html.escape(pair.content)}<br>in<br>{html.escape(pair.style)}</td>{cells}</tr>'
        )
    summary = "".join(
        f"<tr><td>{name}</td><td>{m['mean']:.4g}</td><td>{_ends(m)}</td>"
        f"<td>{'higher' if m['higher_is_better'] else 'lower'}</td></tr>"
        for name, m in results["metrics"].items()
    )
    notes = [f"{name} left out: {reason}" for name, reason in results["left_out"].items()]
    notes += [*results["notes"], f"Interval: {results['interval']}."]
    head = "".join(f"<th><button>{name.replace('_', ' ')}</button></th>" for name in names)
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style><h1>{html.escape(title)}</h1>'
        f"<table><tr><th>metric<th>mean<th>95% interval<th>better</tr>{summary}</table>"
        + "".join(f'<p class="note">{html.escape(note)}</p>' for note in notes)
        + f"<h2>Pairs</h2><p>{len(lines)} of {len(rows)}: {said}.</p>"
        f'<div class="wide"><table id="pairs"><thead><tr><th></th><th>content</th><th>style</th><th>output</th><th></th>'
        f"{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div><script>{_SCRIPT}</script></html>"
    )
    path = folder / "index.html"
    write_whole(path, page)
    return path


def _cell(source: str, text: str) -> str:
    return f'<td><img src="{source}" alt="{html.escape(text)}" width="{_SIDE}"></td>'


def _ends(metric: Mapping[str, Any]) -> str:
    return "" if metric["low"] is None else f"{metric['low']:.4g} to {metric['high']:.4g}"


def _embedded(picture: Image.Image) -> str:
    small = picture.copy()
    small.thumbnail((_SIDE, _SIDE))
    data = io.BytesIO()
    small.save(data, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
