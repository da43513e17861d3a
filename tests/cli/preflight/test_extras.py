"""A choice whose optional package is missing is refused before there is a run folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from adain.cli.preflight import extras
from adain.cli.preflight.compose import compose_config
from adain.runtime.errors import UserError
from tests.helpers.runners import run_here


@pytest.mark.parametrize(
    ("command", "typed", "module", "extra"),
    [
        ("train", "experiment=paper", "datasets", "hub"),
        ("train", "logger=tensorboard", "tensorboard", "tensorboard"),
        ("compare", "seed=1", "matplotlib", "compare"),
        ("demo", "port=0", "gradio", "demo"),
        ("export", "decoder=shipped", "onnxscript", "export"),
        ("bench", "bench=video", "av", "video"),
        ("stylize_dataset", "engine=ray", "pyarrow", "ray"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    command: str, typed: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = compose_config(command, [typed])
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in (module, "tensorboardX") else name)
    with pytest.raises(UserError, match=f"the package {module} of the extra `{extra}`, .*EXTRAS={extra}"):
        extras.check_extras(command, config)


def test_what_needs_no_extra_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    for command, typed in (("train", "data=sample"), ("export", "onnx=false"), ("bench", "bench=all")):
        extras.check_extras(command, compose_config(command, [typed]))


def test_no_run_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    code, _, error = run_here("train", tmp_path, "experiment=paper")
    assert (code, error.count("\n")) == (1, 1)
    assert "`hub`" in error
    assert list(tmp_path.iterdir()) == []
