"""The page itself: what stands where, and what happens on a click."""

from __future__ import annotations

import base64
import html
import io
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import gradio as gr
from PIL import Image

from adain.demo.files import Files
from adain.demo.samples import sample_pictures, thumbnails
from adain.demo.studio import COLORS, Source, Studio
from adain.demo.upload import Upload
from adain.runtime.errors import InputError
from adain.runtime.schema import PreserveColor

PLACES = len(COLORS)
_HERE = Path(__file__).parent
_COLOR_CHOICES = [
    ("the style's", "none"),
    ("the photograph's, overall", "coral"),
    ("the photograph's, pixel by pixel", "luminance"),
]
_REFUSED = "This cannot be used"
_FRAME = '<div class="frame" aria-hidden="true"><i></i><i></i><i></i></div>'

THEME = gr.themes.Base(
    primary_hue=gr.themes.colors.stone,
    neutral_hue=gr.themes.colors.stone,
    font=("system-ui", "sans-serif"),
    font_mono=("ui-monospace", "monospace"),
)
CSS = (_HERE / "page.css").read_text(encoding="utf-8")
HEAD = (
    f"<script>window.adainColors = {list(COLORS)};</script>\n"
    f"<script>{(_HERE / 'brush.js').read_text(encoding='utf-8')}</script>"
)


def build(studio: Studio, files: Files, device: str, decoder: str) -> gr.Blocks:
    """Return the page.

    Args:
        studio: What does the work.
        files: Where thumbnails and results go.
        device: Told at the foot of the page.
        decoder: Likewise.
    """
    limits = studio.limits
    paintings, photographs = sample_pictures("style"), sample_pictures("content")
    with gr.Blocks(title="AdaIN: paint a photograph", analytics_enabled=False) as page:
        gr.HTML(
            "<header><h1>Paint a photograph</h1><p>Any photograph in the style of any painting, or of several at once. "
            "Your pictures go to the computer that serves this page, and nowhere else.</p></header>",
            elem_id="top",
        )
        with gr.Row(elem_id="studio"):
            with gr.Column(scale=5, min_width=320, elem_id="controls"):
                _title(1, "Photograph")
                with gr.Tabs(elem_id="source"):
                    with gr.Tab("Picture", id="picture") as picture_tab:
                        content = Upload(
                            sources=["upload", "webcam", "clipboard"], format="png", buttons=[], height=260,
                            show_label=False, label="photograph", elem_id="photo",
                            placeholder="# Drop a photograph\nor click to choose one",
                        )  # fmt: skip
                        picture_note = gr.HTML(_picture_note(studio), elem_id="picture-note")
                        photo_strip = _strip(photographs, files.folder, "photographs", 5)
                    with gr.Tab("Webcam, live", id="live") as live_tab:
                        webcam = Upload(
                            sources=["webcam"], streaming=True, format="jpeg", buttons=[], height=260,
                            show_label=False, label="webcam", elem_id="webcam",
                        )  # fmt: skip
                        gr.HTML(
                            f'<p class="note">Frames are painted at {limits.live_side} pixels, each as soon as the one '
                            "before is done; those in between are left out.</p>"
                        )
                _title(2, "Style", "one to four")
                with gr.Row(elem_id="places"):
                    places = [
                        Upload(
                            sources=["upload", "clipboard"], format="png", buttons=[], height=104, min_width=64,
                            show_label=False, label=f"style {place + 1}", elem_id=f"style-{place + 1}",
                            elem_classes=["place"], placeholder=f"# {place + 1}",
                        )
                        for place in range(PLACES)
                    ]  # fmt: skip
                painting_strip = _strip(paintings, files.folder, "paintings", 8)
                style_note = gr.HTML(_style_note(bool(paintings)), elem_id="style-note")
                _title(3, "Adjust")
                alpha = gr.Slider(0, 1, 1, step=0.01, label="Strength", elem_id="alpha", buttons=[])
                with gr.Row(elem_id="mix"):
                    shares = [
                        gr.Slider(
                            0, 1, 1, step=0.01, label=f"Share of style {place + 1}", visible=False, min_width=140,
                            elem_id=f"share-{place + 1}", elem_classes=[f"share-{place + 1}"], buttons=[],
                        )
                        for place in range(PLACES)
                    ]  # fmt: skip
                color = gr.Radio(_COLOR_CHOICES, value="none", label="Colors", elem_id="color")
                with gr.Accordion("Paint where each style goes", open=False, elem_id="paint"):
                    gr.HTML('<div id="brush"></div>', js_on_load="window.adainBrush(element.querySelector('#brush'));")
                    rest = gr.Radio(
                        [("stay as photographed", "photograph"), ("take the mix of all styles", "mix")],
                        value="photograph", label="Unpainted parts", elem_id="rest",
                    )  # fmt: skip
                    soft = gr.Slider(0, 0.1, 0, step=0.005, label="Soft edges", elem_id="soft", buttons=[])
                paint = gr.Textbox("", visible="hidden", label="paint")
                go = gr.Button("Paint it", variant="primary", size="lg", elem_id="go")
            with gr.Column(scale=7, min_width=320, elem_id="stage"):
                with gr.Column(elem_id="picture-stage") as picture_stage:
                    empty = gr.HTML(_empty(bool(paintings)), elem_id="empty")
                    comparison = gr.ImageSlider(
                        show_label=False, label="photograph and result", elem_id="comparison",
                        interactive=False, buttons=["fullscreen"], max_height=640, format="png",
                    )  # fmt: skip
                    note = gr.HTML("", elem_id="note")
                    download = gr.DownloadButton("Download PNG", elem_id="download", size="lg")
                with gr.Column(elem_id="live-stage", visible=False) as live_stage:
                    live = gr.HTML(_live_empty(), elem_id="live")
        gr.HTML(
            f"<footer>AdaIN (Huang &amp; Belongie, 2017) &middot; decoder {html.escape(decoder)} &middot; "
            f"{html.escape(device)}</footer>",
            elem_id="foot",
        )
        private: dict[str, Any] = {"api_visibility": "private"}
        # in a line of their own, never behind a picture that is being painted
        quick: dict[str, Any] = {
            **private, "show_progress": "hidden", "concurrency_id": "quick", "concurrency_limit": 8,
        }  # fmt: skip

        def accept(source: Source | None) -> tuple[str | None, str]:
            if source is None:
                return None, _picture_note(studio)
            try:
                read = studio.read(source, "photograph", keep_alpha=True)
            except InputError as error:
                return None, _bad(error)
            return save(read.picture, source), _picture_note(studio, read.size, read.picture.size)

        def accept_style(source: Source | None) -> tuple[str | None, str]:
            plain = _style_note(bool(paintings))
            if source is None:
                return None, plain
            try:
                return save(studio.read(source, "style").picture, source), plain
            except InputError as error:
                return None, _bad(error)

        def save(picture: Image.Image, source: Source) -> str:
            path = files.picture(f"{_stem(source)}.png")
            picture.save(path)
            return str(path)

        def choose_photograph(event: gr.SelectData) -> tuple[str | None, str]:
            return accept(_chosen(photographs, event))

        def choose_painting(event: gr.SelectData, *filled: Source | None) -> list[Any]:
            free = next((place for place, style in enumerate(filled) if style is None), None)
            if free is None:
                gr.Info("Four styles are the most: take one away first.", title="All places are taken")
            chosen = _chosen(paintings, event)
            return [accept_style(chosen)[0] if place == free else gr.skip() for place in range(PLACES)] + [
                gr.Gallery(selected_index=None)
            ]

        def show_shares(*filled: Source | None) -> list[Any]:
            several = sum(style is not None for style in filled) > 1
            return [gr.Slider(visible=several and style is not None) for style in filled]

        def paint_it(
            content: Source | None, style_1: Source | None, style_2: Source | None = None, style_3: Source | None = None,
            style_4: Source | None = None, share_1: float = 1, share_2: float = 1, share_3: float = 1, share_4: float = 1,
            alpha: float = 1, preserve_color: str = "none", rest: str = "photograph", paint: str = "",
            soft: float = 0,
        ) -> tuple[tuple[str, str], str, str]:  # fmt: skip
            """Paints a photograph in one to four styles; returns both, the result's file and a note."""
            begun = time.monotonic()
            with _told():
                read, made = studio.stylize(
                    content, (style_1, style_2, style_3, style_4), (share_1, share_2, share_3, share_4), alpha,
                    cast(PreserveColor, preserve_color), paint, cast(Any, rest), soft,
                )  # fmt: skip
            seconds = time.monotonic() - begun
            before = save(read.picture, cast(Source, content))
            after = files.picture(f"{_stem(cast(Source, content))}-painted.png")
            made.save(after)
            files.trim()
            text = f"{made.width} x {made.height} pixels, {seconds:.1f} s. Drag the line to compare."
            return (before, str(after)), str(after), f'<p class="note">{text}</p>'

        def paint_live(frame: Source | None, *given: Any) -> str:
            if frame is None:
                return _live_empty()
            styles, weights, (strength, preserve_color) = given[:PLACES], given[PLACES : 2 * PLACES], given[-2:]
            begun = time.monotonic()
            try:
                made = studio.frame(frame, styles, weights, strength, preserve_color)
            except InputError as error:
                return _live_empty(str(error))
            return _live(made, time.monotonic() - begun)

        content.input(accept, content, [content, picture_note], **quick)
        if photo_strip is not None:
            photo_strip.select(choose_photograph, None, [content, picture_note], **quick)
        if painting_strip is not None:
            painting_strip.select(choose_painting, places, [*places, painting_strip], **quick)
        for place in places:
            place.input(accept_style, place, [place, style_note], **quick)
            place.change(show_shares, places, shares, trigger_mode="always_last", **quick)
        picture_tab.select(
            lambda: (gr.Column(visible=True), gr.Column(visible=False)), None, [picture_stage, live_stage], **quick
        )
        live_tab.select(
            lambda: (gr.Column(visible=False), gr.Column(visible=True)), None, [picture_stage, live_stage], **quick
        )
        go.click(
            paint_it, [content, *places, *shares, alpha, color, rest, paint, soft], [comparison, download, note],
            api_name="stylize", concurrency_id="studio", concurrency_limit=1, show_progress_on=[empty, comparison],
            js="(...given) => { window.adainGo(); given[given.length - 2] = window.adainPaint(); return given; }",
        )  # fmt: skip
        webcam.stream(
            paint_live, [webcam, *places, *shares, alpha, color], live, stream_every=0.05, time_limit=None,
            concurrency_id="live", concurrency_limit=4, show_progress="hidden", **private,
        )  # fmt: skip
    return cast(gr.Blocks, page)


@contextmanager
def _told() -> Iterator[None]:
    """Show a visitor's mistake as a sentence in the page, and a fault of ours as one without details."""
    try:
        yield
    except InputError as error:
        raise gr.Error(
            html.escape(str(error), quote=False), title=_REFUSED, duration=None, print_exception=False
        ) from None
    except Exception as error:
        traceback.print_exc()
        text = "This is our mistake: the server's terminal says what happened."
        if isinstance(error, MemoryError):
            text = "There was too little memory for it: give a smaller picture, or try again in a minute."
        raise gr.Error(text, title="This could not be painted", print_exception=False) from None


def _chosen(samples: Sequence[Path], event: gr.SelectData) -> Path:
    index = cast(int, event.index)
    if not 0 <= index < len(samples):
        raise gr.Error("There is no such sample.", title=_REFUSED, print_exception=False)
    return samples[index]


def _stem(source: Source) -> str:
    """Return the name of a photograph, for those made of it."""
    return source.stem if isinstance(source, Path) else "photograph"


def _strip(paths: Sequence[Path], folder: Path, name: str, columns: int) -> gr.Gallery | None:
    """Return thumbnails to choose from, if there are any."""
    if not paths:
        return None
    shown = [str(path) for path in thumbnails(list(paths), folder / name)]
    return gr.Gallery(
        shown, columns=columns, height="auto", allow_preview=False, show_label=False, label=f"sample {name}",
        object_fit="cover", interactive=False, buttons=[], elem_id=name, elem_classes=["strip"],
    )  # fmt: skip


def _title(number: int, text: str, more: str = "") -> None:
    gr.HTML(f"<h2><span>{number}</span>{text}<small>{more}</small></h2>", elem_classes=["title"])


def _picture_note(studio: Studio, given: tuple[int, int] | None = None, used: tuple[int, int] | None = None) -> str:
    side, most = studio.limits.side, studio.limits.max_bytes / 2**20
    if given is None or used is None:
        text = f"Up to {most:.0f} MB. Above {side} pixels a side, pictures are reduced to it."
    elif max(given) > side:
        text = f"{given[0]} x {given[1]}, reduced to {used[0]} x {used[1]}."
    else:
        text = f"{used[0]} x {used[1]} pixels."
    return f'<p class="note">{text}</p>'


def _bad(error: InputError) -> str:
    return f'<p class="note bad">{html.escape(str(error))}</p>'


def _style_note(samples: bool) -> str:
    if samples:
        return '<p class="note">Click a painting to add it, or drop your own on a place.</p>'
    return (
        '<p class="note">Drop one to four paintings on the places above. '
        "(Sample paintings appear here after <code>make setup</code>.)</p>"
    )


def _empty(samples: bool) -> str:
    second = "Choose a painting or two, or drop your own" if samples else "Drop a painting, or up to four"
    return (
        f'<div class="empty">{_FRAME}'
        "<h3>Your painting will hang here</h3>"
        f"<ol><li>Give a photograph</li><li>{second}</li><li>Press <b>Paint it</b></li></ol></div>"
    )


def _live_empty(text: str = "Choose a style, then start the webcam.") -> str:
    return f'<div class="empty">{_FRAME}<h3>{html.escape(text)}</h3></div>'


def _live(picture: Image.Image, seconds: float) -> str:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=88)
    source = base64.b64encode(data.getvalue()).decode()
    return (
        f'<img class="live" alt="your webcam, painted" src="data:image/jpeg;base64,{source}">'
        f'<p class="note">{picture.width} x {picture.height}, {1 / max(seconds, 1e-3):.1f} frames a second.</p>'
    )
