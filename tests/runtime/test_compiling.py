from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor

from adain.methods.adain import AdaINMethod
from adain.runtime.compiling import compiled


def test_the_training_step_compiles_to_one_graph_with_the_same_numbers() -> None:
    """``fullgraph`` raises at a graph break, and a failed compilation would warn."""
    torch.manual_seed(0)
    method = AdaINMethod()
    content, style = torch.rand(2, 1, 3, 32, 32)
    plain, _ = method.losses(content, style)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        terms, _ = compiled(method.losses, backend="eager")(content, style)
    for name, term in plain.items():
        torch.testing.assert_close(terms[name], term, rtol=1e-5, atol=1e-6)


def test_without_a_compiler_it_warns_once_and_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare machine has no C++ toolchain."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    x = torch.ones(3, 5, requires_grad=True)

    def work(x: Tensor) -> Tensor:
        return (x.sin() * 2 + x.cos()).sum()

    with torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",), "fx_graph_cache": False}):
        call = compiled(work)
        with pytest.warns(RuntimeWarning, match="compile=true has no effect"):
            first = call(x)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            second = call(x)
    torch.testing.assert_close(first, work(x))
    torch.testing.assert_close(second, work(x))


def test_an_error_of_the_function_itself_is_raised() -> None:
    def work(x: Tensor) -> Tensor:
        return x @ x

    with pytest.raises(RuntimeError, match=r"shapes|size"):
        compiled(work, backend="eager")(torch.ones(2, 3))


def test_validation_runs_uncompiled() -> None:
    calls = []

    def work(x: Tensor) -> Tensor:
        calls.append(torch.compiler.is_compiling())
        return x + 1

    call = compiled(work, training_only=True, backend="eager")
    with torch.no_grad():
        call(torch.ones(2))
    assert calls == [False]
