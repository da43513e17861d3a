from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from adain.training import throughput
from adain.training.throughput import Throughput


def test_validation_time_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: now[0])
    trainer: Any = SimpleNamespace(
        world_size=2,
        global_step=1,
        log_every_n_steps=1,
        optimizers=[SimpleNamespace(param_groups=[{"lr": 0.1}])],
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    logged: dict[str, float] = {}
    module: Any = SimpleNamespace(log=lambda name, value, batch_size: logged.__setitem__(name, value))
    batch, speed = {"content": [0] * 4}, Throughput()
    now[0] = 1.0
    speed.on_train_batch_start(trainer, module, batch, 0)
    now[0] = 3.0
    speed.on_train_batch_end(trainer, module, None, batch, 0)
    assert logged["train/pairs_per_second"] == pytest.approx(4)  # 8 pairs over both ranks in 2 s
    speed.on_validation_start(trainer, module)
    now[0] = 100.0
    speed.on_train_batch_start(trainer, module, batch, 1)
    now[0] = 102.0
    speed.on_train_batch_end(trainer, module, None, batch, 1)
    assert speed.seconds == pytest.approx(4)
    assert logged["train/lr"] == 0.1
