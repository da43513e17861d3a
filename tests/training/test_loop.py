"""What the training loop does between the steps: nothing that waits for the device, but where something is read."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from adain.data.pairs import StyleTransferDataModule
from adain.methods.adain import AdaINMethod
from adain.training.progress import StepBar
from tests.helpers.runners import train
from tests.helpers.settings import QUICK

STEPS, LOGGED, VALIDATED = 7, 3, 4  # steps; from one to the next


class Reads(TorchDispatchMode):
    """Counts how often a number is read from a tensor (``item``, ``float``, ``bool``), by the step that came before."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = [0]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[-1] += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reads, list[dict[str, float]], Path, set[Any]]:
    """A training by the command line: reads by step, every step's losses, the run's folder, and what is sent."""
    reads, losses, plain = Reads(), list[dict[str, Tensor]](), AdaINMethod.training_step
    send, sent = StyleTransferDataModule.transfer_batch_to_device, set[Any]()

    def transfer(data: StyleTransferDataModule, batch: Any, device: torch.device, index: int) -> Any:
        sent.update((batch["content"].dtype, batch["style"].dtype))
        return send(data, batch, device, index)

    def step(method: AdaINMethod, batch: Any, batch_idx: int) -> Tensor:
        reads.counts.append(0)
        terms = method.losses(batch["content"], batch["style"])[0]
        style = torch.stack([terms[f"style/relu{i}_1"] for i in (1, 2, 3, 4)]).sum()
        losses.append(
            {"train/content": terms["content"], "train/style": style, "train/loss": terms["content"] + 10 * style}
        )
        return plain(method, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch, reads:
        patch.setattr(AdaINMethod, "training_step", step)
        patch.setattr(StyleTransferDataModule, "transfer_batch_to_device", transfer)
        run = train(
            tmp_path_factory.mktemp("loop"), *QUICK, "logger=csv", f"trainer.max_steps={STEPS}",
            f"trainer.log_every_n_steps={LOGGED}", f"trainer.val_check_interval={VALIDATED}",
            f"callbacks.finite.every_n_steps={LOGGED}", "trainer.enable_progress_bar=false", "callbacks.grid.pairs=1",
        )  # fmt: skip
    assert run.code == 0, run.err
    return reads, [{name: value.item() for name, value in row.items()} for row in losses], run.folder, sent


def test_numbers_are_read_only_where_they_are_logged_or_validated(watched: Any) -> None:
    reads, *_ = watched
    assert len(reads.counts) == STEPS + 1
    assert {step for step, count in enumerate(reads.counts) if step and count} == {3, 4, 6, 7}


def test_the_logs_hold_the_losses_of_their_steps(watched: Any) -> None:
    """At each interval, and at the last step."""
    _, losses, folder, _ = watched
    (file,) = folder.glob("csv/*/metrics.csv")
    rows = [row for row in csv.DictReader(file.open(newline="")) if row["train/loss"]]
    assert [int(row["step"]) for row in rows] == [2, 5, 6]
    for row in rows:
        expected = losses[int(row["step"])]
        assert {name: float(row[name]) for name in expected} == pytest.approx(expected, rel=1e-6)


def test_pictures_are_sent_to_the_device_as_bytes(watched: Any) -> None:
    assert watched[-1] == {torch.uint8}


def test_the_bar_reads_the_losses_when_it_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [10.0], list[float]()
    monkeypatch.setattr("adain.training.progress.time.monotonic", lambda: now[0])

    class Method(AdaINMethod):
        def __init__(self) -> None:
            pl.LightningModule.__init__(self)

        def last_losses(self) -> dict[str, Tensor]:
            asked.append(now[0])
            return {"train/content": torch.tensor(1.234)}

    trainer: Any = type(
        "Trainer", (), {"max_steps": 40, "global_step": 0, "accumulate_grad_batches": 1, "local_rank": 0}
    )()
    trainer.is_global_zero, trainer.progress_bar_metrics = True, {}
    bar, method = StepBar(), Method()
    bar.setup(trainer, method, "fit")
    bar.on_train_start(trainer)
    for batch in range(40):
        bar.on_train_batch_end(trainer, method, None, None, batch)
        now[0] += 0.0625
    assert asked == [10.0, 10.25, 10.5, 10.75, 11.0, 11.25, 11.5, 11.75, 12.0, 12.25, 12.4375]
    assert bar.train_progress_bar.n == 40
    bar.train_progress_bar.close()
