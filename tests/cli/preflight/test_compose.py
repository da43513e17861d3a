"""What is composed is run in a folder of its own."""

from __future__ import annotations

from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from adain.cli.preflight.compose import preflight, run_composed


def folders(given: str) -> list[str]:
    """The names of the folders that three tasks work in."""
    found: list[str] = []
    for _ in range(3):
        composed = preflight("train", [f"hydra.run.dir={given}", "hydra.output_subdir=null"])
        run_composed("train", composed, lambda config: found.append(HydraConfig.get().runtime.output_dir))
    return [Path(folder).name for folder in found]


def test_runs_that_start_in_one_second_have_a_folder_each(tmp_path: Path) -> None:
    assert folders(f"{tmp_path}/${{seed}}_%S") == ["1_%S", "1_%S_2", "1_%S_3"]


def test_a_typed_folder_stays(tmp_path: Path) -> None:
    assert folders(f"{tmp_path}/mine") == ["mine"] * 3
