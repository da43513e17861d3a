"""LPIPS against the authors' package, on random weights of ours and on the published heads."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from adain.metrics.lpips import PLANS, Lpips
from adain.nn.weights import KNOWN, read_arrays
from adain.runtime.errors import InputError
from adain.runtime.fetch import cache_folder

SHORT = {"alexnet": "alex", "vgg16": "vgg"}


def theirs(network: str) -> Any:
    lpips = pytest.importorskip("lpips")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lpips.LPIPS(net=SHORT[network], pnet_rand=True, pretrained=True, verbose=False).eval()


def layers_of(model: Any) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(m.weight, m.bias) for m in model.net.modules() if isinstance(m, torch.nn.Conv2d)]


@pytest.mark.parametrize("network", ["alexnet", "vgg16"])
def test_agrees_with_the_authors_package(network: Any) -> None:
    model = theirs(network)
    heads = [getattr(model, f"lin{i}").model[1].weight for i in range(5)]
    ours = Lpips(network, layers_of(model), heads)
    a, b = torch.rand(2, 2, 3, 70, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = model(2 * a - 1, 2 * b - 1).flatten()
    torch.testing.assert_close(ours(a, b), expected, rtol=1e-4, atol=1e-7)
    assert ours(a, a).abs().max() == 0


@pytest.mark.parametrize("network", ["alexnet", "vgg16"])
def test_published_heads_and_shapes(network: Any) -> None:
    path = cache_folder() / KNOWN[f"lpips_{network}"].file
    if not path.exists():
        pytest.skip("the LPIPS weights are not in the cache")
    arrays, model = read_arrays(path), theirs(network)
    for i in range(5):
        head = getattr(model, f"lin{i}").model[1].weight.detach().flatten()
        assert torch.equal(arrays[f"NetLinLayer_{i}/Conv_0/kernel"].flatten(), head)
    ours = Lpips.from_arrays(network, arrays)
    assert [tuple(getattr(ours, f"weight{i}").shape) for i in range(len(PLANS[network].convolutions))] == [
        tuple(weight.shape) for weight, _ in layers_of(model)
    ]


def test_pictures_in_0_to_1_are_scaled_as_the_authors_scale_theirs() -> None:
    """A narrow AlexNet written out, for where the authors' package is not: its input is (2 x - 1 - shift) / scale."""
    random = torch.Generator().manual_seed(5)
    plan = ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))  # side, stride, padding
    layers = [
        (torch.randn(4, 4 if i else 3, side, side, generator=random) / side, torch.randn(4, generator=random))
        for i, (side, _, _) in enumerate(plan)
    ]
    heads = [torch.rand(4, generator=random) for _ in plan]
    shift, scale = (torch.tensor(x).view(1, 3, 1, 1) for x in ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)))

    def taps(picture: torch.Tensor) -> list[torch.Tensor]:
        x, found = (2 * picture - 1 - shift) / scale, []
        for i, ((weight, bias), (_, stride, padding)) in enumerate(zip(layers, plan, strict=True)):
            x = F.max_pool2d(x, 3, 2) if i in (1, 2) else x
            x = F.conv2d(x, weight, bias, stride, padding).relu()
            found.append(x / (x.norm(dim=1, keepdim=True) + 1e-10))
        return found

    a, b = torch.rand(2, 2, 3, 70, 64, generator=random)
    expected = torch.zeros(2)
    for one, other, head in zip(taps(a), taps(b), heads, strict=True):
        expected += torch.einsum("nchw,c->nhw", (one - other).square(), head).mean((1, 2))
    torch.testing.assert_close(Lpips("alexnet", layers, heads)(a, b), expected, rtol=1e-4, atol=1e-6)


def test_arrays_are_read_and_nothing_else(tmp_path: Path) -> None:
    good, bad, cut = tmp_path / "good", tmp_path / "bad", tmp_path / "cut"
    good.write_bytes(pickle.dumps({"a": {"b": np.arange(3.0)}}, protocol=3))
    assert read_arrays(good)["a/b"].tolist() == [0, 1, 2]
    bad.write_bytes(pickle.dumps({"a": Path("x")}))
    cut.write_bytes(good.read_bytes()[:-20])
    for path in (bad, cut):
        with pytest.raises(InputError, match="was refused"):
            read_arrays(path)
    with pytest.raises(InputError, match="there is no weights file"):
        read_arrays(tmp_path / "none")
