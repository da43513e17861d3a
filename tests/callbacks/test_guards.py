from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from adain.callbacks.guards import FiniteLoss, SkippedPictures
from adain.errors import UserError


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_run(value: float, tmp_path: Path) -> None:
    guard = FiniteLoss()
    trainer: Any = SimpleNamespace(
        default_root_dir=str(tmp_path), global_step=7, world_size=1,
        strategy=SimpleNamespace(reduce_boolean_decision=lambda decision: decision),
    )  # fmt: skip
    guard.on_train_batch_start(trainer, None, {"content_name": ["a.jpg"], "style_name": ["b.jpg"]}, 0)  # type: ignore[arg-type]
    guard.on_before_backward(trainer, None, torch.tensor(1.0))  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"step 7 .* a.jpg with b.jpg: there is no checkpoint yet"):
        guard.on_before_backward(trainer, None, torch.tensor(value))  # type: ignore[arg-type]


def test_each_skipped_picture_is_listed_once(tmp_path: Path) -> None:
    skipped = SkippedPictures(str(tmp_path))
    module: Any = SimpleNamespace(log=lambda *args, **kwargs: None)
    for _ in range(3):
        skipped.on_train_batch_end(None, module, None, {"skipped": ["x.jpg: empty", "y.jpg: truncated"]}, 0)  # type: ignore[arg-type]
    assert (tmp_path / "skipped.txt").read_text().splitlines() == ["x.jpg: empty", "y.jpg: truncated"]
