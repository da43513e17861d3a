"""The page as a person uses it, in headless Chromium against the real server."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.demo import Served
from tests.helpers.pictures import HOSTILE, draw
from tests.helpers.runners import wait_until

httpx = pytest.importorskip("httpx", reason="comes with gradio, of the extra demo")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    with api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, served: Served) -> Iterator[Any]:
    """The page, opened. Whatever is asked of another machine is blocked, and fails the test."""
    context = browser.new_context(viewport={"width": 1360, "height": 900}, permissions=["camera"])
    outside: list[str] = []

    def watch(route: Any) -> None:
        if route.request.url.startswith((served.url, "data:", "blob:")):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    context.route("**/*", watch)
    faults: list[str] = []
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("response", lambda answer: faults.append(answer.url) if answer.status >= 500 else None)
    opened.goto(served.url)
    opened.wait_for_selector("#go")
    yield opened
    context.close()
    assert outside == []
    assert faults == []


def give(page: Any, place: str, path: Path) -> None:
    page.set_input_files(f"#{place} input[type=file]", str(path))
    page.wait_for_selector(f"#{place} img")


def paint_it(page: Any) -> str:
    """Presses the button; the address of the new result."""
    old = page.evaluate("document.querySelectorAll('#comparison img')[1]?.src || ''")
    page.click("#go")
    page.wait_for_function("old => (document.querySelectorAll('#comparison img')[1]?.src || old) !== old", arg=old)
    found: str = page.evaluate("document.querySelectorAll('#comparison img')[1].src")
    return found


def test_a_visit(page: Any, served: Served, tmp_path: Path) -> None:
    content, a, b = draw(tmp_path / "c.png", 1, (192, 144)), draw(tmp_path / "a.png", 2), draw(tmp_path / "b.png", 3)
    assert page.locator("#empty").is_visible()
    assert not page.locator("#download").is_visible()
    give(page, "photo", content)
    page.get_by_text("192 x 144, reduced to 96 x 72.").wait_for()
    give(page, "style-1", a)
    assert not page.locator("#share-1").is_visible()
    give(page, "style-2", b)
    page.wait_for_selector("#share-2")
    page.fill("#alpha input[type=number]", "0.5")
    page.fill("#share-2 input[type=number]", "0.25")
    page.keyboard.press("Tab")
    page.get_by_label("the photograph's, pixel by pixel").check()
    paint_it(page)
    assert not page.locator("#empty").is_visible()
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(tmp_path / "got.png")
    got = Image.open(tmp_path / "got.png")
    read = served.studio.read(content, "photograph").picture
    expected = served.studio.stylizer.stylize(
        read, styles=[Image.open(a), Image.open(b)], weights=[0.8, 0.2], alpha=0.5, preserve_color="luminance"
    )
    assert got.format == "PNG"
    assert download.value.suggested_filename == "c-painted.png"
    assert np.abs(np.asarray(got, int) - np.asarray(expected, int)).max() <= 1

    line = page.locator("#comparison [data-testid=slider] .icon-wrap")
    cut = "getComputedStyle(document.querySelectorAll('#comparison img')[1]).clipPath"
    before, box = page.evaluate(cut), line.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] - 150, box["y"], steps=4)
    page.mouse.up()
    page.wait_for_function(f"before => {cut} !== before", arg=before)

    page.get_by_text("Paint where each style goes").click()
    page.wait_for_selector("#brush canvas:not([hidden])")
    page.fill("#brush input[type=range]", "12")
    page.click("[data-brush='1']")
    page.locator("#brush canvas").scroll_into_view_if_needed()
    box = page.locator("#brush canvas").bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + box["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + box["height"] * 0.2, steps=5)
    page.mouse.up()
    answer = httpx.get(paint_it(page))
    (tmp_path / "masked.png").write_bytes(answer.content)
    masked, plain = (np.asarray(picture, int) for picture in (Image.open(tmp_path / "masked.png"), read))
    assert np.array_equal(masked[50:], plain[50:])  # below the stroke the photograph stays
    assert np.abs(masked[:20] - plain[:20]).mean() > 3
    page.fill("#soft input[type=number]", "0.05")
    page.wait_for_function("document.querySelector('#brush canvas').style.filter.startsWith('blur(')")
    page.fill("#soft input[type=number]", "0")
    painted = page.evaluate("adainPaint()")
    page.click("#brush .clear")
    assert page.evaluate("adainPaint()") == ""
    page.click("#brush .undo")
    assert page.evaluate("adainPaint()") == painted
    page.keyboard.press("Control+z")
    assert page.evaluate("adainPaint()") == ""
    answer = httpx.get(paint_it(page))
    (tmp_path / "cleared.png").write_bytes(answer.content)
    assert np.abs(np.asarray(Image.open(tmp_path / "cleared.png"), int) - np.asarray(expected, int)).max() <= 1


def test_what_is_refused_is_said_in_the_page(page: Any, served: Served, tmp_path: Path) -> None:
    page.click("#go")
    page.get_by_text("There is no photograph yet").wait_for()
    for name in ("text.jpg", "bomb.png"):
        (tmp_path / name).write_bytes(HOSTILE[name][0])
        page.set_input_files("#photo input[type=file]", str(tmp_path / name))
        page.locator("#picture-note .bad", has_text=HOSTILE[name][1]).wait_for()
        page.wait_for_selector("#photo input[type=file]", state="attached")
    (tmp_path / "large.jpg").write_bytes(HOSTILE["large.jpg"][0])
    page.set_input_files("#photo input[type=file]", str(tmp_path / "large.jpg"))
    page.get_by_text("maximum allowed size").first.wait_for()
    (tmp_path / "drawing.svg").write_bytes(HOSTILE["drawing.svg"][0])
    page.set_input_files("#style-1 input[type=file]", str(tmp_path / "drawing.svg"))
    page.get_by_text("The style cannot be used").first.wait_for()
    assert page.locator("text=Traceback").count() == 0
    give(page, "photo", draw(tmp_path / "good.png", 1))  # and then it goes on
    page.locator("#picture-note .bad").wait_for(state="detached")  # the page takes a moment
    give(page, "style-1", draw(tmp_path / "style.png", 2))
    page.locator("#style-note .bad").wait_for(state="detached")
    assert page.get_by_text("There is no photograph yet").is_visible()
    paint_it(page)
    page.get_by_text("There is no photograph yet").wait_for(state="detached")


@pytest.mark.slow  # a browser of its own; test_a_visit has one too
def test_samples_and_a_fifth_style(page: Any) -> None:
    if not page.locator("#paintings").count():
        pytest.skip("the sample paintings are not cached")
    page.locator("#photographs button").nth(1).click()
    page.wait_for_selector("#photo img")
    for place in range(1, 5):
        page.locator("#paintings button").nth(place).click()
        page.wait_for_selector(f"#style-{place} img")
    page.locator("#paintings button").nth(7).click()
    page.get_by_text("Four styles are the most").wait_for()


@pytest.mark.slow  # 10 s
def test_the_webcam_is_painted_and_stale_frames_are_left_out(page: Any, served: Served, tmp_path: Path) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/stream/" in request.url else None)
    page.get_by_role("tab", name="Webcam, live").click()
    give(page, "style-1", draw(tmp_path / "a.png", 2))
    page.click("#webcam [title='grant webcam access'] button")
    page.click("#webcam [aria-label='capture photo']")
    seen = set()
    for _ in range(3):
        page.wait_for_function(
            "seen => !seen.includes(document.querySelector('#live img')?.src || seen[0])", arg=["", *seen]
        )
        seen.add(page.evaluate("document.querySelector('#live img').src"))
    assert all(source.startswith("data:image/jpeg") for source in seen)
    page.get_by_text("Stop").click()
    page.wait_for_timeout(1500)
    still = page.evaluate("document.querySelector('#live img').src")
    page.wait_for_timeout(1000)
    assert page.evaluate("document.querySelector('#live img').src") == still  # nothing was waiting in a queue


@pytest.mark.slow
def test_ten_at_once_are_served_in_order(served: Served, tmp_path: Path) -> None:
    client = pytest.importorskip("gradio_client")
    style = draw(tmp_path / "s.png", 50)
    contents = [draw(tmp_path / f"{i}.png", i, (48 + 4 * i, 48)) for i in range(10)]
    clients = [client.Client(served.url, verbose=False, download_files=str(tmp_path / "got"))]
    with ThreadPoolExecutor(10) as pool:
        clients += pool.map(
            lambda _: client.Client(served.url, verbose=False, download_files=str(tmp_path / "got")), range(9)
        )
    encoded = served.studio.encoded
    order: list[int] = []
    file = client.handle_file

    def note(i: int) -> Any:
        return lambda *_: order.append(i)

    jobs = []
    for i, (one, content) in enumerate(zip(clients, contents, strict=True)):
        job = one.submit(
            file(str(content)), file(str(style)), None, None, None, 1, 1, 1, 1, 1.0, "none", "photograph", "",
            api_name="/stylize",
        )  # fmt: skip
        job.add_done_callback(note(i))
        jobs.append(job)
    results = [job.result(timeout=120) for job in jobs]
    _, least, _ = clients[0].predict(
        file(str(contents[0])), file(str(style)), api_name="/stylize"
    )  # the rest by default
    assert np.array_equal(Image.open(least), Image.open(results[0][1]))
    for content, (_, path, text) in zip(contents, results, strict=True):
        expected = served.studio.stylizer.stylize(Image.open(content), Image.open(style))
        assert np.abs(np.asarray(Image.open(path), int) - np.asarray(expected, int)).max() <= 1
        assert "Drag the line" in text
    assert served.studio.encoded == encoded + 1
    assert sorted(order) == list(range(10))


def test_the_queue_serves_one_at_a_time_and_tells_the_place(served: Served, tmp_path: Path, monkeypatch: Any) -> None:
    """Without clients between: events are joined in a known order, and must start in it."""
    client = pytest.importorskip("gradio_client")
    started: list[tuple[int, int]] = []
    running, all_wait = 0, threading.Event()
    plain = served.studio.stylize

    def waiting(content: Any, *given: Any, **options: Any) -> Any:
        nonlocal running
        running += 1
        with Image.open(content) as picture:
            started.append((picture.width, running))
        assert all_wait.wait(60)
        try:
            return plain(content, *given, **options)
        finally:
            running -= 1

    monkeypatch.setattr(served.studio, "stylize", waiting)
    one = client.Client(served.url, verbose=False)
    file = client.handle_file
    style, widths = draw(tmp_path / "s.png", 51), [32 + 4 * i for i in range(6)]
    jobs: list[Any] = []
    for width in widths:
        content = draw(tmp_path / f"{width}.png", width, (width, 40))
        given = [file(str(content)), file(str(style)), None, None, None, 1, 1, 1, 1, 1.0, "none", "photograph", ""]
        jobs.append(one.submit(*given, api_name="/stylize"))
        wait_until(
            lambda: jobs[-1].status().code.name not in ("STARTING", "JOINING_QUEUE")
        )  # from then on it has a place
    wait_until(lambda: jobs[-1].status().rank is not None)  # it is told while it waits
    all_wait.set()
    for job in jobs:
        job.result(timeout=120)
    assert [width for width, _ in started] == widths
    assert {together for _, together in started} == {1}
