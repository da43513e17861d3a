"""``--help`` shows the keys as typed, with the values that the typed choices give them."""

from __future__ import annotations

import pytest

from adain.cli.preflight.usage import usage
from adain.runtime.conf import conf_dir, root_of

COMMANDS = sorted(path.stem for path in (*conf_dir().glob("*.yaml"), *(conf_dir() / "inference").glob("*.yaml")))


def lines(text: str) -> dict[str, str]:
    """Return the lines of ``--help``, comments included, by the word before the equals sign."""
    return {line.partition("=")[0]: line.partition("=")[2] for line in text.splitlines() if "=" in line}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_comment_of_the_commands_own_file_is_shown(command: str) -> None:
    shown = usage(command, [])
    for line in (root_of(command) / f"{command}.yaml").read_text().splitlines():
        key, _, rest = line.partition(":")
        comment = rest.partition("# ")[2]
        if (
            key.strip().isidentifier() and comment and key.strip() not in ("method", "sweep", "dir")
        ):  # words, choices, Hydra's
            assert comment in shown, line


def test_values_are_those_of_the_recipe_that_is_typed() -> None:
    quickstart, paper = lines(usage("train", [])), lines(usage("train", ["experiment=paper", "seed=3"]))
    assert quickstart["trainer.max_steps"].startswith("160")
    assert paper["trainer.max_steps"].startswith("160000")
    assert paper["experiment"].startswith("paper ")
    assert "quickstart" in paper["experiment"]
    assert paper["data.buffer"].endswith("rows in the shuffle buffer")
    assert paper["optimizer.scale_lr"].endswith("(docs/scaling.md)")  # from the file that muon's stands on
    assert paper["seed"] == "1"


def test_keys_that_only_pass_on_another_keys_value_are_left_out() -> None:
    shown = usage("train", [])
    assert "${" not in shown
    assert "_target_" not in shown
    assert "model.lr=" not in shown


def test_the_keys_are_those_of_the_model_that_is_typed() -> None:
    assert "model.iterations" not in lines(usage("stylize", []))
    shown = lines(usage("stylize", ["model=gatys"]))
    assert shown["model"].startswith("gatys ")
    assert shown["model.iterations"].endswith("over all scales")


def test_a_comment_over_several_lines_is_joined() -> None:
    assert "a glob; or one video from a pipe" in lines(usage("stylize", []))["content"]
