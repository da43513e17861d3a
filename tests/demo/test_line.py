from __future__ import annotations

import asyncio
from importlib.util import find_spec
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from adain.demo.guard import Refused

if TYPE_CHECKING:
    from adain.demo.line import Line

pytestmark = pytest.mark.skipif(find_spec("gradio") is None, reason="the page needs the extra demo")


@pytest.fixture
def line() -> Line:
    import gradio as gr  # here, because every worker reads this file, and gradio takes seconds

    from adain.demo.line import Line

    with gr.Blocks(analytics_enabled=False) as page:
        button = gr.Button()
        button.click(lambda: None, concurrency_id="studio")
        button.click(lambda: None, concurrency_id="quick")
    return Line(page.queue()._queue)


async def join(line: Line, session: str, visitor: str = "a", number: int = 0) -> None:
    await line.admit(line.queue.blocks.fns[number], visitor, session)
    from gradio.data_classes import PredictBodyInternal

    request: Any = SimpleNamespace(client=SimpleNamespace(host=visitor))
    body = PredictBodyInternal(session_hash=session, fn_index=number, data=[])
    assert (await line.queue.push(body, request, None))[0]


def waiting(line: Line) -> list[str]:
    return [event.session_hash for event in line._waiting()]


def test_limits_of_a_tab_an_address_and_all(line: Line) -> None:
    async def visit() -> None:
        for count, (visitor, sessions) in enumerate((("a", 40), ("b", 20))):
            for index in range(sessions):
                with_listener = f"{visitor}{index // 5}"
                line._listeners[with_listener] += 1
                await join(line, with_listener, visitor)
            with pytest.raises(Refused, match="40 requests of you" if not count else "60 requests of others"):
                await join(line, "new", visitor if not count else "c")
        await join(line, "new", "c", number=1)  # another kind never waits for pictures
        for _ in range(3):
            await join(line, "a0", number=1)
        with pytest.raises(Refused, match="8 requests of you"):
            await join(line, "a0", number=1)

    asyncio.run(visit())


def test_those_without_a_listener_make_room(line: Line) -> None:
    async def visit() -> None:
        for index in range(100):
            await join(line, f"nobody {index}")
        assert len(waiting(line)) == 40
        with line.listening("me"):
            await join(line, "me")
            for index in range(100):
                await join(line, f"nobody {index}", "b")
            assert "me" in waiting(line)
            assert len(waiting(line)) == 60

    asyncio.run(visit())


def test_the_unheard_are_dropped(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit() -> None:
        with line.listening("me"):
            await join(line, "me")
            await join(line, "nobody")
            await line.drop_unheard()
            assert waiting(line) == ["me", "nobody"]  # somebody may yet listen
            monkeypatch.setattr("adain.demo.line._GRACE", -1)
            await line.drop_unheard()
            assert waiting(line) == ["me"]
        await line.drop_unheard()
        assert waiting(line) == []  # gone while waiting
        assert "me" in line
        monkeypatch.setattr("adain.demo.line._RESULT", -1)
        await line.drop_unheard()
        assert "me" not in line
        assert not line._heard
        assert not line.queue.pending_event_ids_session

    asyncio.run(visit())
