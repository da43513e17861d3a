"""What a new run's network is fitted on."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from adain.methods import least_squares
from adain.methods.adain import AdaINMethod
from adain.methods.style_swap import StyleSwap
from adain.nn.encoder import Encoder


@pytest.mark.parametrize(("kind", "widths"), [(AdaINMethod, [4, 6, 8]), (StyleSwap, [4, 6])])
def test_the_least_squares_start_is_of_contents_and_styles(
    kind: Any, widths: list[int], encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Encoder, "load", lambda name, path=None: encoder)
    fitted: list[Any] = []
    monkeypatch.setattr(least_squares, "fit_decoder", lambda *given: fitted.append(given))
    crops = torch.rand(2, 3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    asked: list[int] = []
    method = kind(widths=widths, init="least_squares", start_pictures=3, start_patches=300)
    method.init_weights(lambda count: (asked.append(count), (crops[0], crops[1]))[1])
    assert asked == [3]
    ((decoder, own, pictures, patches),) = fitted
    assert (decoder, own, patches) == (method.decoder, encoder, 300)
    assert torch.equal(pictures, crops.flatten(0, 1))
