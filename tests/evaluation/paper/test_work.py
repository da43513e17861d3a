"""Which network makes which pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from adain.cli.plain import plain_values
from adain.cli.preflight.compose import compose_config
from adain.data.picture import read_picture
from adain.evaluation.paper.request import Training, read_request
from adain.evaluation.paper.work import Work
from adain.evaluation.store import ComparisonStore
from tests.helpers.pictures import draw_folders


class Painted:
    """A system that gives the style back, and notes whose it was asked to paint in."""

    asked: list[tuple[str, int]] = []  # noqa: RUF012

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint

    def stylize(self, content: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        self.asked.append((self.checkpoint.stem, round(255 * float(style.mean()))))
        return style


def not_trained(training: Training, folder: Path) -> tuple[Path, str]:
    raise AssertionError(f"{training.label} is given")


def test_a_texture_network_is_asked_for_its_own_style_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = draw_folders(tmp_path)
    levels = {}
    for name in ("s0", "s1"):
        torch.save({"hyper_parameters": {"style": f"{name}.png"}, "method": "texture_network"}, root / f"{name}.ckpt")
        square = read_picture(root / "style" / f"{name}.png", 32).crop((0, 2, 32, 34))
        levels[name] = round(sum(square.resize((1, 1)).getpixel((0, 0))) / 3)  # type: ignore[arg-type]
    words = [
        f"content={root / 'content'}", f"style={root / 'style'}", "losses.size=32", "losses.styles=2", "losses.contents=2",
        "pictures.size=32", "pictures.rows=3", "parts=[losses,pictures]",
        f"checkpoints.texture_network=[{root / 's1.ckpt'},{root / 's0.ckpt'}]",
    ]  # fmt: skip
    config = compose_config("compare", words)
    monkeypatch.setattr(
        "adain.methods.load.load_method", lambda name, checkpoint, device, **options: Painted(checkpoint)
    )
    monkeypatch.setattr(Painted, "asked", [])
    request, store = read_request(plain_values(config)), ComparisonStore(tmp_path / "out")
    store.open({})
    work = Work(request, torch.device("cpu"), store, request.settings, train=not_trained)
    work.losses("texture_network")
    work.pictures("texture_network")
    assert [name for name, _ in Painted.asked] == ["s0", "s0", "s1", "s1", "s0", "s0", "s1"]
    assert all(abs(level - levels[name]) <= 3 for name, level in Painted.asked)
    rows: list[Any] = [(row["content"], row["style"], row["style_loss_mean"]) for row in work.store.rows("losses")]
    assert rows == [(f"c{i}.png", f"s{k}.png", pytest.approx(0, abs=1e-6)) for k in (0, 1) for i in (0, 1)]
