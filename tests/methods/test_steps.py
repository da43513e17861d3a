"""What of a step is logged, and at which rate a step is made: a method whose losses are known."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from adain.methods.base import TrainedMethod
from adain.methods.optimizers import OptimizerFactory, adam, muon
from adain.training.validation_printer import held_out_losses

CONTENTS, STYLES = [10, 20, 90], [4, 8, 36]  # gray levels of three pairs, in batches of two and one


class Levels(TrainedMethod):
    """Its content loss is the contents' mean, each of its two style losses a multiple of the styles'."""

    method = "adain"

    def __init__(self, optimizer: OptimizerFactory | None = None) -> None:
        super().__init__(optimizer)
        self.weights = {"content": 2.0, "style": 10.0}
        self.decoder: nn.Module = nn.Conv2d(3, 3, 1)

    def losses(self, content: Tensor, style: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        level = style.mean()
        return {"content": content.mean(), "style/relu1_1": level, "style/relu2_1": 3 * level}, self.decoder(content)


def pairs(scale: float, dtype: torch.dtype) -> DataLoader[Any]:
    def picture(level: int) -> Tensor:
        return torch.full((3, 8, 8), level * scale).to(dtype)

    found = [{"content": picture(c), "style": picture(s)} for c, s in zip(CONTENTS, STYLES, strict=True)]
    return DataLoader(found, batch_size=2)  # type: ignore[arg-type]


def test_held_out_losses_are_means_over_pairs_and_the_styles_a_sum_over_layers() -> None:
    content, style = 40 / 255, 4 * 16 / 255  # of all three pairs, whatever batch they are in
    method = Levels()
    trainer = pl.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    (found,) = trainer.validate(method, pairs(1 / 255, torch.float32), verbose=False)
    expected = {"val/content": content, "val/style": style, "val/loss": 2 * content + 10 * style}
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    own = method.decoder
    other = held_out_losses(method, nn.Identity(), pairs(1, torch.uint8), torch.device("cpu"))
    assert other == pytest.approx((content, style), rel=1e-5)
    assert method.decoder is own


def rates(factory: Any = adam, **given: Any) -> list[float]:
    """Of the optimizer's groups, with 4 pairs a batch, 2 batches a step and 3 ranks."""
    method = Levels(partial(factory, **{"lr": 0.5, "schedule": "constant", **given}))
    method.trainer = SimpleNamespace(  # type: ignore[assignment]
        datamodule=SimpleNamespace(batch_size=4), accumulate_grad_batches=2, world_size=3, estimated_stepping_batches=9
    )
    configured: Any = method.configure_optimizers()
    return [group["lr"] for group in configured["optimizer"].param_groups]


def test_the_rates_grow_with_the_pairs_of_a_step_over_all_ranks() -> None:
    assert rates() == [0.5]
    assert rates(scale_lr="linear", lr_batch=8) == [1.5]  # 24 pairs
    assert rates(scale_lr="sqrt", lr_batch=6) == [1.0]
    assert rates(scale_lr="linear", lr_batch=4) == [3.0]
    assert rates(scale_lr="linear", lr_batch=8, bias_lr=0.25) == [1.5, 0.75]
    steady = {"bias_lr": 0.25, "warmup_steps": 0}
    assert rates(muon, scale_lr="linear", lr_batch=8, **steady) == [1.5, 0.75]  # weights, then biases
    with pytest.raises(ValueError, match="scale_lr=linear needs lr_batch"):
        rates(scale_lr="linear")
