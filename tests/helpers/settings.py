"""The overrides of a small run, and where the configurations are."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]

QUICK = [
    "experiment=smoke", "model.init=random", "model.widths=[8,16,32]", "data.crop=16", "data.resize=20", "data.val_size=16",
    "data.num_workers=0", "trainer.max_steps=4", "trainer.val_check_interval=2", "trainer.precision=32-true", "logger=none",
]  # fmt: skip
"""A training of a second. Append what a test is about: of two words about one key the later counts."""


def configs(group: str) -> list[Path]:
    """The files of a configuration group, wherever pytest was started."""
    found = sorted((ROOT / "conf" / group).glob("*.yaml"))
    assert found, f"no configuration in conf/{group}"
    return found
