from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from adain.demo.server import listen, work_folder
from adain.demo.studio import Studio
from adain.inference.stylizer import Stylizer
from tests.helpers.demo import LIMITS, Served


@pytest.fixture(scope="session")
def stylizer() -> Stylizer:
    return Stylizer.load("reference", "cpu")


@pytest.fixture
def studio(stylizer: Stylizer) -> Studio:
    return Studio(stylizer, LIMITS)


@pytest.fixture(scope="session")
def served(stylizer: Stylizer) -> Iterator[Served]:
    """The real server on a port of its own."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(work_folder())
        pytest.importorskip("gradio", reason="the page needs the extra demo")
        from adain.demo.launch import start

        studio = Studio(stylizer, LIMITS)
        bound = stack.enter_context(listen("127.0.0.1", 0))
        page = start(studio, "127.0.0.1", bound, folder, "reference")
        stack.callback(page.close, verbose=False)
        yield Served(page.local_url, folder, studio, page)
