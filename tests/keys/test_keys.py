"""Every key of every configuration does something: see ``table.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

for extra in ("av", "matplotlib", "optuna"):
    pytest.importorskip(extra)

from tests.helpers.networks import saved
from tests.keys.commands import Changes, Commands, keep_checkpoint
from tests.keys.seen import error
from tests.keys.stand_ins import stand_ins
from tests.keys.table import EVALUATE, STARTS, TABLE, Key, Section

ROWS = [
    pytest.param(name, key, row, id=f"{name}: {key}", marks=[pytest.mark.slow] if section.slow else [])
    for name, section in TABLE.items()
    for key, rows in section.keys.items()
    for row in (rows if isinstance(rows, list) else [rows])
]
EACH_ROW = pytest.mark.parametrize(("name", "key", "row"), ROWS)


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """With what the table's keys name, below ``INPUTS``."""
    made = Commands(tmp_path_factory.mktemp("keys"))
    with stand_ins(made):
        for name, given in STARTS.items():
            keep_checkpoint(made.run("train", given), made.inputs / name)
        for name in ("concat", "bn_decoder", "in_decoder"):
            keep_two(name, made.inputs / name)
        for name in ("first", "second"):
            made.run("evaluate", (*EVALUATE, f"out=INPUTS/{name}"))
        yield made


def keep_two(name: str, folder: Path) -> None:
    """Two checkpoints of an ablation, their weights unlike."""
    folder.mkdir()
    saved(name, folder)
    state = torch.load(folder / "best.ckpt", weights_only=True)
    state["state_dict"] = {key: value + 0.1 for key, value in state["state_dict"].items()}
    torch.save(state, folder / "other.ckpt")


def changes(section: Section, key: str, row: Key) -> Changes:
    """The key, with all others of its section that share a run with it."""
    if not row.shared:
        return ((key, row.value),)
    return tuple(
        (other, one.value)
        for other, rows in section.keys.items()
        for one in (rows if isinstance(rows, list) else [rows])
        if one.shared == row.shared and one.given == row.given
    )


@EACH_ROW
def test_a_key_has_its_effect(name: str, key: str, row: Key, commands: Commands) -> None:
    section = TABLE[name]
    given = (*section.given, *row.given)
    plain, changed = (commands.run(section.command, given, some) for some in ((), changes(section, key, row)))
    refused = plain.error or changed.error
    assert refused is None or error in row.seen, refused
    for see in row.seen:
        if see(changed) == see(plain):
            pytest.fail(f"{key}={row.value} changes nothing: {see(plain)}", pytrace=False)


@pytest.mark.slow  # every run once more
@EACH_ROW
def test_what_is_seen_is_that_keys_alone(name: str, key: str, row: Key, commands: Commands) -> None:
    """All is changed that a row's run changes, but the row's own key: what the row looks at stays as it was."""
    section = TABLE[name]
    given = (*section.given, *row.given)
    others = tuple(change for change in changes(section, key, row) if change[0] != key)
    plain, other = commands.run(section.command, given), commands.run(section.command, given, others, again=1)
    for see in row.seen:
        assert see(other) == see(plain)
