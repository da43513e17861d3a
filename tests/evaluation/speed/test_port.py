"""The reference port's interface, by a small module of the same shape; and the port itself where a checkout is named."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

from adain.evaluation.speed.checkout import check_reference
from adain.evaluation.speed.port import PortStep, PortStylize, import_port
from adain.evaluation.speed.stages import STYLIZE, TRAINING, OurStep, OurStylize, Setting
from adain.runtime.errors import InputError

CPU = torch.device("cpu")
FUNCTION = """
def calc_mean_std(feat):
    var, mean = __import__("torch").var_mean(feat, (2, 3), keepdim=True)
    return mean, (var + 1e-5).sqrt()

def adaptive_instance_normalization(content, style):
    (m, s), (a, b) = calc_mean_std(content), calc_mean_std(style)
    return (content - m) / s * b + a
"""
NET = """
from torch import nn
from function import adaptive_instance_normalization as adain
from function import calc_mean_std

def chain(first, channels, plan, last_relu=True):
    modules = list(first)
    for item in plan:
        if item == "pool":
            modules.append(nn.MaxPool2d(2, 2, ceil_mode=True))
        elif item == "up":
            modules.append(nn.Upsample(scale_factor=2))
        else:
            modules += [nn.ReflectionPad2d(1), nn.Conv2d(channels, item, 3), nn.ReLU()]
            channels = item
    return nn.Sequential(*(modules if last_relu else modules[:-1]))

P = "pool"
vgg = chain([nn.Conv2d(3, 3, 1)], 3, [64, 64, P, 128, 128, P, *[256] * 4, P, *[512] * 4, P, *[512] * 4])
decoder = chain([], 512, [256, "up", 256, 256, 256, 128, "up", 128, 64, "up", 64, 3], last_relu=False)

class Net(nn.Module):
    def __init__(self, encoder, decoder):
        super().__init__()
        layers = list(encoder.children())
        cuts = (0, 4, 11, 18, 31)
        self.parts = nn.ModuleList(nn.Sequential(*layers[a:b]) for a, b in zip(cuts, cuts[1:]))
        self.parts.requires_grad_(False)
        self.decoder, self.mse = decoder, nn.MSELoss()

    def encode_with_intermediate(self, x):
        found = []
        for part in self.parts:
            x = part(x)
            found.append(x)
        return found

    def encode(self, x):
        return self.encode_with_intermediate(x)[-1]

    def calc_content_loss(self, a, b):
        return self.mse(a, b)

    def calc_style_loss(self, a, b):
        (m, s), (n, t) = calc_mean_std(a), calc_mean_std(b)
        return self.mse(m, n) + self.mse(s, t)

    def forward(self, content, style):
        wanted = self.encode_with_intermediate(style)
        target = adain(self.encode(content), wanted[-1])
        found = self.encode_with_intermediate(self.decoder(target))
        return self.calc_content_loss(found[-1], target), sum(map(self.calc_style_loss, found, wanted))
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "function.py").write_text(FUNCTION)
    return tmp_path


def _compare(folder: Path) -> None:
    """Else the ratio would be of two different works. Statistics differ: the port's variance is the unbiased one."""
    ours = OurStylize(Setting("stylize", 64, 2), CPU)
    port = PortStylize(Setting("stylize", 64, 2, reference=str(folder)), CPU)
    difference = (ours.stylize(ours.style) - port.stylize().clamp(0, 1)).abs()
    assert difference.mean() < 5e-3
    assert [name for name, _ in ours.stages()] == list(STYLIZE)
    step, other = (
        OurStep(Setting("stages", 48, 1), CPU),
        PortStep(Setting("stages", 48, 1, reference=str(folder)), CPU),
    )
    assert [name for name, _ in step.stages()] == [name for name, _ in other.stages()] == list(TRAINING)
    losses = {}
    for name, contestant in (("ours", step), ("port", other)):
        for _, work in contestant.stages()[:5]:
            work()
        losses[name] = contestant.kept["loss"].item()  # type: ignore[attr-defined]
    assert losses["ours"] == pytest.approx(losses["port"], rel=0.05)
    before = other.network.decoder[1].weight.detach().clone()
    for _, work in other.stages()[5:]:
        work()
    assert not torch.equal(before, other.network.decoder[1].weight)


def test_a_port_of_the_same_interface_does_the_same_work(stand_in: Path) -> None:
    _compare(stand_in)


@pytest.mark.skipif("ADAIN_REFERENCE_PORT" not in os.environ, reason="ADAIN_REFERENCE_PORT names no checkout")
def test_the_port_itself_does_the_same_work() -> None:
    _compare(Path(os.environ["ADAIN_REFERENCE_PORT"]))


def test_the_port_s_names_do_not_stay(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "function", sys)
    path = list(sys.path)
    assert import_port(stand_in).adain.__name__ == "adaptive_instance_normalization"
    assert sys.modules["function"] is sys
    assert "net" not in sys.modules
    assert sys.path == path


def test_a_folder_that_is_no_port_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no net\.py and no function\.py: give a checkout"):
        check_reference(tmp_path)
    (tmp_path / "function.py").write_text("")
    (tmp_path / "net.py").write_text("import nothing_of_the_kind")
    with pytest.raises(InputError, match="cannot be imported"):
        import_port(check_reference(tmp_path))
    (tmp_path / "net.py").write_text("vgg = 1")
    with pytest.raises(InputError, match="has no Net, decoder, adain"):
        import_port(tmp_path)
