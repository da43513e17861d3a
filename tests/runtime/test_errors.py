"""Errors about what was given: classes that Python users know, and no words of the command line in the library."""

from __future__ import annotations

import pickle
import re

import pytest
from torch.utils.data import DataLoader, Dataset

from adain.runtime.errors import InputError, MissingFileError, UserError, first_line
from adain.runtime.mistakes import mistake
from tests.helpers.settings import ROOT

SENTENCE = "x.pth is not there: give another"
KINDS = [InputError, MissingFileError, UserError]


class Unreadable(Dataset[int]):
    def __init__(self, kind: type[InputError]) -> None:
        self.kind = kind

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        raise self.kind(SENTENCE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_python_user_catches_a_value_error_that_crosses_processes(kind: type[InputError]) -> None:
    error = pickle.loads(pickle.dumps(kind(SENTENCE)))
    assert isinstance(error, ValueError)
    assert isinstance(error, FileNotFoundError) == (kind is MissingFileError)
    assert str(error) == mistake(error) == SENTENCE


def test_a_loaders_worker_reports_the_sentence_alone() -> None:
    with pytest.raises(MissingFileError) as caught:
        next(iter(DataLoader(Unreadable(MissingFileError), num_workers=1)))
    assert mistake(caught.value) == SENTENCE


@pytest.mark.parametrize("error", [ValueError("size mismatch"), TypeError("no len()"), FileNotFoundError(2, "x")])
def test_an_error_of_a_library_keeps_its_traceback(error: Exception) -> None:
    assert mistake(error) is None


@pytest.mark.parametrize("room", ["kernels", "functional", "nn", "methods", "metrics", "inference/stylizer.py"])
def test_the_library_speaks_no_command_line(room: str) -> None:
    place = ROOT / "src" / "adain" / room
    for path in [place] if place.is_file() else place.glob("*.py"):
        code = path.read_text()
        assert "UserError" not in code, path
        raised = re.findall(r"raise \w+Error\((.*?)\)(?: from \w+)?\n", code, re.DOTALL)
        assert not [
            text for text in raised if re.search(r"make (train|stylize)|model[.=]|optimizer\.|decoder=", text)
        ], path


def test_the_first_line_of_an_error_is_its_class_where_it_says_nothing() -> None:
    assert first_line(OSError("one\ntwo")) == "one"
    assert first_line(TimeoutError()) == "TimeoutError"
