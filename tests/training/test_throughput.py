from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from adain.training import throughput
from adain.training.throughput import Throughput


def test_validation_time_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: now[0])
    trainer: Any = SimpleNamespace(
        world_size=2, global_step=1, log_every_n_steps=1, optimizers=[SimpleNamespace(param_groups=[{"lr": 0.1}])]
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


@pytest.mark.parametrize(("platform", "counted"), [("linux", 3 * 2**10), ("darwin", 3 * 2**20)])
def test_peak_memory_is_in_mib_whatever_the_system_counts_in(
    platform: str, counted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(throughput.sys, "platform", platform)
    monkeypatch.setattr(throughput.resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=counted))
    assert throughput.peak_memory_mib() == 3
