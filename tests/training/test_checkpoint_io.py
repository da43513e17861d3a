"""A checkpoint is on the disk whole or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch

from adain.cli.preflight.compose import compose_config
from adain.training.checkpoint_io import WholeCheckpointIO
from adain.training.trainer import build_trainer


@pytest.mark.parametrize("strategy", ["single", "ddp", "fsdp"])
def test_every_strategy_that_writes_files_writes_them_so(strategy: str) -> None:
    config = compose_config("train", ["trainer=cpu", f"strategy={strategy}", "trainer.enable_progress_bar=false"])
    trainer = build_trainer(config, [], [])
    assert isinstance(trainer.strategy.checkpoint_io, WholeCheckpointIO)


def test_a_write_that_breaks_off_keeps_the_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, io = tmp_path / "checkpoints" / "best.ckpt", WholeCheckpointIO()
    io.save_checkpoint({"step": 1}, path)
    monkeypatch.setattr(tempfile, "mkstemp", None)  # nothing goes by way of another folder
    whole = Path.write_bytes

    def half(self: Path, data: bytes) -> int:
        whole(self, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="No space left"):
        io.save_checkpoint({"step": 2}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert list(path.parent.iterdir()) == [path]
    monkeypatch.setattr(Path, "write_bytes", whole)
    io.save_checkpoint({"step": 2}, path)
    assert io.load_checkpoint(path)["step"] == 2
