"""Every valid override passes; every invalid one is refused with a message that names it and what is allowed."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import save_file

from adain.cli.preflight import strategy, training
from adain.cli.preflight.compose import preflight
from adain.runtime.conf import conf_dir
from adain.runtime.errors import UserError
from adain.runtime.schema import Accelerator, Precision

FOLDERS = ["data.content=/a", "data.style=/b"]
ONE_STYLE = f"model.style={__file__}"  # any file: whether it is a picture is seen later


@pytest.fixture(autouse=True)
def _eight_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the check of this machine, which ``test_strategy`` tests."""
    monkeypatch.setattr(strategy, "_gpus", lambda: 8)


def choices(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def message(*overrides: str, config: str = "train") -> str:
    with pytest.raises(UserError) as caught:
        preflight(config, list(overrides))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what is right --------------------------------------------------------------------------------------------------

GROUPS = ("optimizer", "encoder", "logger", "trainer", "model", "data")
TOGETHER = itertools.zip_longest(*(choices(group) for group in GROUPS))


@pytest.mark.parametrize("names", TOGETHER, ids=str)
def test_every_file_of_every_group_passes(names: tuple[str | None, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy, "_gpus", lambda: 1)
    chosen = [f"{group}={name}" for group, name in zip(GROUPS, names, strict=True) if name]
    own = ["experiment=texture_network", ONE_STYLE] if "model=texture_network" in chosen else []
    preflight("train", [*chosen, *own, *(FOLDERS if "data=folders" in chosen else [])])


@pytest.mark.parametrize("name", choices("experiment"))
def test_every_experiment_passes(name: str) -> None:
    needed = {"finetune": FOLDERS, "further": FOLDERS, "texture_network": [ONE_STYLE]}.get(name, [])
    preflight("train", [f"experiment={name}", *needed])


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.style_weight=20", "optimizer.lr=3e-4", "data.batch_size=2", "trainer.max_steps=10", "seed=3"],
        ["model.widths=[32,64,128]", "optimizer.betas=[0.5,0.9]", "run.tags=[a,b]", "run.name=5"],
        ["ckpt=null", "compare_with=null", "model.init=reference", "logs=/tmp/x"],
        ["trainer.precision=bf16-mixed", "trainer.devices=2", "strategy=ddp", "trainer.gradient_clip_val=1.0"],
        ["trainer.precision=32", "data.flip=1"],
        ["trainer.devices=[0]"],
        ["trainer.devices=auto", "strategy=ddp"],
        ["trainer.devices=-1", "strategy=ddp"],
        ["trainer.precision=16", "trainer.devices='0,1'", "strategy=ddp"],
        ["+trainer.benchmark=true", "++trainer.detect_anomaly=false", "++seed=3", "~callbacks.grid"],
    ],
    ids=" ".join,
)
def test_valid_values_pass(overrides: list[str]) -> None:
    preflight("train", overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.content=[a,b]", "data.style=/b"],
        ["data.content=/path/with-1.2/x", "data.style=/b"],
        [*FOLDERS, "data.held_out=/some/file"],
    ],
)
def test_paths_of_folders_pass(overrides: list[str]) -> None:
    preflight("train", ["data=folders", *overrides])


def test_an_existing_file_passes_for_a_word(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").touch()
    preflight("train", [f"model.init={tmp_path}/last.ckpt"])


# --- what is wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "near"),
    [
        ("model.style_wieght=20", "model.style_weight"),
        ("style_weight=20", "model.style_weight"),
        ("batch_size=3", "data.batch_size"),
        ("max_steps=3", "trainer.max_steps"),
        ("steps=3", "trainer.max_steps"),
        ("batchsize=3", "data.batch_size"),
        ("trainer.max_stpes=3", "trainer.max_steps"),
        ("Method.style_weight=3", "model.style_weight"),
        ("optm.lr=1", "optimizer.lr"),
        ("lr=1", "optimizer.lr"),
        ("sede=1", "seed"),
        ("modl=adain", "model"),
        ("experimnt=paper", "experiment"),
        ("~callbacks.gird", "callbacks.grid"),
    ],
)
def test_a_mistyped_key_is_refused_with_the_closest_one(override: str, near: str) -> None:
    text = message(override)
    assert f"unknown key {override.lstrip('~').partition('=')[0]}" in text
    assert near in text.partition("did you mean")[2].partition("?")[0].split(" ")


@pytest.mark.parametrize(
    ("config", "override"),
    [("train", "logs="), ("train", "data.content="), ("export", "out=''"), ("stylize", "out="), ("stylize", "style=")],
)
def test_an_empty_path_is_refused(config: str, override: str) -> None:
    """That of an unset variable of the shell would mean the folder where the user types."""
    given = {"train": ["data=folders", *FOLDERS], "stylize": ["content=a"]}.get(config, [])
    text = message(*given, override, config=config)
    assert text == override.strip("'") + " is empty: give a path, or leave it out"


@pytest.mark.parametrize("config", ["train", "export"])
def test_outputs_need_a_folder(config: str) -> None:
    assert message("logs=null", config=config) == "logs=null cannot be used: give a folder"


def test_the_keys_of_the_chosen_group_are_known() -> None:
    assert "did you mean data.content" in message("data=folders", "data.contnt=/a", "data.style=/b")


def test_picture_folders_without_data_folders_say_what_to_choose() -> None:
    assert "data=folders" in message(*FOLDERS)


@pytest.mark.parametrize(
    ("override", "near"),
    [
        ("model=adian", "adain"),
        ("experiment=pape", "paper"),
        ("data=folder", "folders"),
        ("logger=wadb", "wandb"),
        ("encoder=vgg19_normalised", "vgg19_normalized"),
        ("trainer=cpus", "cpu"),
    ],
)
def test_a_mistyped_choice_is_refused_with_the_closest_one_and_all(override: str, near: str) -> None:
    text = message(override)
    assert f"{override} does not exist (did you mean {near}" in text
    assert ", ".join(choices(override.partition("=")[0])) in text


@pytest.mark.parametrize(
    ("override", "kind"),
    [
        ("optimizer.lr=abc", "a number"),
        ("model.style_weight=true", "a number"),
        ("data.batch_size=two", "a whole number"),
        ("data.batch_size=2.5", "a whole number"),
        ("trainer.max_steps=abc", "a whole number"),
        ("seed=abc", "a whole number"),
        ("model.widths=3", "a list"),
        ("trainer.enable_progress_bar=3", "true or false"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_the_right_type(override: str, kind: str) -> None:
    text = message(override)
    assert text.startswith(f"{override} is of the wrong type: give {kind}")
    assert f"such as {override.partition('=')[0]}=" in text


@pytest.mark.parametrize(
    ("override", "limit"),
    [
        ("optimizer.lr=0", "more than 0"),
        ("optimizer.lr=-1", "more than 0"),
        ("optimizer.lr=nan", "more than 0"),
        ("data.batch_size=0", "at least 1"),
        ("data.val_pairs=0", "at least 1"),
        ("data.num_workers=-1", "at least 0"),
        ("data.flip=2", "at most 1"),
        ("trainer.max_steps=0", "at least 1"),
        ("model.style_weight=-1", "at least 0"),
        ("seed=-1", "at least 0"),
        ("seed=4294967296", "at most 4294967295"),
        ("optimizer.lr=inf", "a finite number"),
        ("data.seed=-1", "at least 0"),
        ("callbacks.last.every_n_steps=0", "at least 1"),
        ("trainer.check_val_every_n_epoch=0", "at least 1"),
        ("trainer.num_sanity_val_steps=-2", "at least -1"),
        ("evaluate: seed=-1", "at least 0"),
        ("compare: seed=-1", "at least 0"),
        ("compare: controls.style_weights=[10,inf]", "a finite number"),
        ("bench: gatys_iterations=1", "at least 3"),
        ("bench: resize=0", "at least 16"),
        ("bench: crop=0", "at least 16"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_limit(override: str, limit: str) -> None:
    command, _, override = override.rpartition(": ")
    text = message(override, config=command or "train")
    assert text.startswith(override)
    assert text.endswith(f"give {limit}")


@pytest.mark.parametrize(
    ("override", "near"),
    [
        ("optimizer.schedule=cosin", "cosine"),
        ("model.style_reduction=men", "mean"),
        ("encoder.name=vgg19_normalised", "vgg19_normalized"),
        ("monitor.mode=mn", "min"),
        ("trainer.precision=bf16-mixd", "bf16-mixed"),
        ("trainer.accelerator=gpus", "gpu"),
    ],
)
def test_a_word_that_is_not_allowed_is_refused_with_the_closest_one(override: str, near: str) -> None:
    assert message(override).startswith(f"{override} is not allowed (did you mean {near}")


@pytest.mark.parametrize(
    ("override", "near"),
    [("model.init=randm", "random"), ("ckpt=lst", "last"), ("compare_with=referenc", "reference")],
)
def test_neither_a_word_nor_a_file_is_refused_with_the_closest_word(override: str, near: str) -> None:
    text = message(override)
    assert text.startswith(f"{override} is neither")
    assert f"did you mean {near}" in text


@pytest.mark.parametrize(("given", "near"), [("bmp", ""), ("pgn", "png"), ("jpge", "jpg or jpeg"), ("mpp4", "mp4")])
def test_short_words_are_suggested_only_if_really_close(given: str, near: str) -> None:
    text = message(f"format={given}", "style=s.jpg", "content=c.jpg", config="stylize")
    assert text.startswith(f"format={given} is not allowed" + (f" (did you mean {near}" if near else "; choose"))


def test_an_unknown_key_is_refused_with_the_list_of_keys() -> None:
    text = message("device=cuda", config="bench")
    assert text.startswith("unknown key device; the keys are bench, gatys_iterations, ")


def test_a_system_with_nothing_to_train_says_how_it_is_used() -> None:
    text = message("model=gatys")
    assert "nothing to train" in text
    assert "make stylize model=gatys" in text
    assert "use adain or texture_network or style_swap" in text


def test_a_recipe_of_another_model_is_refused_with_the_right_one() -> None:
    text = message("model=texture_network", ONE_STYLE, "experiment=smoke")
    assert text.startswith("experiment=smoke sets model.init")
    assert "experiment=texture_network" in text
    preflight("train", ["model=texture_network", ONE_STYLE, "experiment=texture_network", "+trainer.benchmark=true"])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model.norm=bach"], "did you mean batch"),
        (["model.transfer=concatenate"], "adain, concat"),
        (["model=texture_network", "experiment=texture_network"], "model.style must be given"),
        (["experiment=texture_network", "model.style=/gone.jpg"], "model.style=/gone.jpg is not a file"),
        (["experiment=texture_network", ONE_STYLE, "model.measure=grams"], "gram, statistics"),
        (["experiment=style_swap", "model.stride=4"], "at most model.patch_size=3"),
        (["experiment=style_swap", "model.patch_size=0"], "at least 1"),
    ],
)
def test_the_systems_own_keys_are_checked(overrides: list[str], words: str) -> None:
    assert words in message(*overrides)


@pytest.mark.parametrize(
    ("command", "override", "advice"),
    [
        ("train", "callbacks.grid=null", "callbacks.grid.pairs=..., or ~callbacks.grid to leave it out"),
        ("train", "++logger.wandb=null", "logger.wandb.project=..., or ~logger.wandb to leave it out"),
        ("train", "monitor=val/loss", "monitor.metric=..."),
        ("train", "run=x", "run.name=..."),
        ("compare", "steps=100", "steps.style_swap=..."),
        ("compare", "losses=256", "losses.size=..."),
        ("compare", "checkpoints=null", "checkpoints.adain=..."),
        ("evaluate", "weights=f.pth", "weights.lpips_alexnet=..."),
    ],
)
def test_a_value_for_a_section_is_refused_with_one_of_its_keys(command: str, override: str, advice: str) -> None:
    typed = override.lstrip("+")
    assert message(override, config=command) == f"{typed} is given for a section: give its keys, such as {advice}"


def test_a_number_is_shown_as_it_was_typed() -> None:
    assert message("trainer.max_steps=1e4").startswith(
        "trainer.max_steps=1e4 is of the wrong type: give a whole number"
    )


@pytest.mark.parametrize(("values", "how"), [("[0.9]", "few"), ("[0.9,0.99,0.999]", "many")])
def test_a_list_of_the_wrong_length_is_answered_with_a_right_one(values: str, how: str) -> None:
    said = f"optimizer.betas={values} has too {how} values: give a list, such as [0.9,0.999]"
    assert message(f"optimizer.betas={values}") == said


def test_a_file_that_is_no_picture_is_refused_before_a_folder_is_made() -> None:
    given = preflight("train", ["data=folders", f"data.content={__file__}", f"data.style={__file__}"]).config
    with pytest.raises(UserError, match=r"data.content=.*test_values.py cannot be used \(empty or not a picture\)"):
        training.check_files(given)


def test_missing_picture_folders_are_named() -> None:
    assert message("data=folders", "data.style=/b") == "data.content must be given: for example data.content=PATH"


def test_both_missing_picture_folders_are_named() -> None:
    assert "data.content and data.style must be given" in message("experiment=finetune")


def test_a_base_file_of_data_is_not_offered_as_a_choice() -> None:
    assert "pairs" not in message("data=nothing").split("choose one of")[1]


@pytest.mark.parametrize("override", ["foo", "model.style_weight=[1,2", "=1"])
def test_an_override_without_key_or_value_is_refused(override: str) -> None:
    assert override in message(override)


def test_of_several_overrides_the_one_that_cannot_be_read_is_named() -> None:
    text = message("seed=2", "run.name=a (b)", "data.flip=0")
    assert text.startswith("run.name=a (b) cannot be read: ")
    assert text.endswith("""as in "run.name='a (b)'\"""")


@pytest.mark.parametrize(
    ("override", "advice"),
    [
        ("model.widths=[1,2", "type a list as 'model.widths=[A,B]'"),
        ("seed=1,", "leave out the comma at its end"),
        ("foo", "type a key and its value, such as seed=2"),
    ],
)
def test_an_override_that_cannot_be_read_says_how_to_type_it(override: str, advice: str) -> None:
    assert message(override) == f"{override} cannot be read: {advice}"


@pytest.mark.parametrize("override", ["experiment=null", "callbacks=null"])
def test_an_empty_group_is_a_users_message(override: str) -> None:
    assert override in message(override)


def test_a_decimal_comma_is_answered_with_a_point() -> None:
    assert "give one, 0.5 for a decimal" in message("content=a", "alpha=0,5", config="stylize")
    assert "decimal" not in message("optimizer.lr=1e-3,1e-4")


def test_several_values_say_how_to_sweep() -> None:
    assert "make sweep" in message("optimizer.lr=1e-3,1e-4")


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("+model.lr=1e-3", "unknown key +model.lr (did you mean optimizer.lr"),
        ("++model.optimizer=adam", "unknown key +model.optimizer"),
        ("+optimizer.foo=0.9", "unknown key +optimizer.foo"),
        ("+callbacks.grid.size=3", "unknown key +callbacks.grid.size"),
    ],
)
def test_a_key_that_our_own_class_does_not_take_is_refused(override: str, told: str) -> None:
    assert message(override).startswith(told)


@pytest.mark.parametrize("mistyped", ["model.encoder_weight=x", "folder=x", "dirpath=x", "root_dir=x"])
def test_only_keys_that_help_lists_are_suggested(mistyped: str) -> None:
    suggested = re.findall(r"[\w.]+", message(mistyped).partition("did you mean ")[2])
    assert not {"model.encoder_weights", "callbacks.best.dirpath", "trainer.default_root_dir"} & set(suggested)
    assert not any(word.endswith(".folder") for word in suggested)


@pytest.mark.parametrize("override", ["+model.style_weight=3", "+experiment=paper"])
def test_a_plus_before_an_existing_key_is_refused(override: str) -> None:
    text = message(override)
    assert override.lstrip("+").partition("=")[0] in text
    assert "+" in text


def test_the_stylize_command_is_checked_too() -> None:
    assert "content must be given" in message(config="stylize")


def test_a_callback_may_be_added() -> None:
    added = "callbacks.rate._target_=pytorch_lightning.callbacks.LearningRateMonitor"
    preflight("train", [f"+{added}", "+callbacks.rate.logging_interval=step"])
    with pytest.raises(UserError, match="unknown key"):
        preflight("train", ["+calbacks.rate._target_=pytorch_lightning.callbacks.LearningRateMonitor"])


# --- mistakes that must be found before the slow imports ------------------------------------------------------------


def test_our_words_for_precision_and_accelerator_are_lightnings() -> None:
    """Of precisions, only those that keep the weights in float32: our pictures are float32 too."""
    from lightning_fabric.plugins.precision.precision import _PRECISION_INPUT
    from pytorch_lightning.accelerators import AcceleratorRegistry

    theirs = {str(word) for kind in get_args(_PRECISION_INPUT) for word in get_args(kind)}
    unusable = {word for word in theirs if word.endswith("-true") or word.startswith(("64", "transformer"))} - {
        "32-true"
    }
    assert set(get_args(Precision)) == theirs - unusable | {"auto"}
    assert set(get_args(Accelerator)) == {*AcceleratorRegistry.available_accelerators(), "gpu", "auto"}


@pytest.mark.parametrize(
    "override",
    [
        "model.widths=[1,2]",
        "model.widths=[64,0,1]",
        "model.widths=[a,b,c]",
        "optimizer.betas=[0.9]",
        "optimizer.betas=[0.9,1]",
    ],
)
def test_a_list_of_the_wrong_length_or_type_is_refused_with_an_example(override: str) -> None:
    key = override.partition("=")[0]
    text = message(override)
    assert text.startswith(f"{key}=[")
    assert re.search(r"such as \[[\d.,]+\]$", text)


def test_a_crop_that_does_not_fit_is_refused() -> None:
    assert message("data.crop=256", "data.resize=128").startswith("data.crop=256 is larger than data.resize=128")


@pytest.mark.parametrize("given", ["0", "-2", "1.5", "two", "[]", "[a]", "[-1]"])
def test_invalid_devices_are_refused(given: str) -> None:
    assert re.match(
        r"trainer\.devices=.* is not allowed: (give a whole number|list devices)", message(f"trainer.devices={given}")
    )


def test_more_processes_than_cores_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.os, "cpu_count", lambda: 4)
    preflight("train", ["trainer.devices=4", "trainer=cpu", "strategy=ddp"])
    assert "give at most 4" in message("trainer.devices=5", "trainer=cpu", "strategy=ddp")


def test_with_a_close_key_nothing_else_is_suggested() -> None:
    assert "+" not in message("model.style_wieght=20")
    assert "+trainer.overfit_qjwxyvz=VALUE" in message("trainer.overfit_qjwxyvz=1")


@pytest.mark.parametrize("override", ["+foo=1", "++bar=2", "+run.color=red", "+sede=3"])
def test_an_unused_new_key_is_refused(override: str) -> None:
    """Hydra would accept it, and nothing would read it."""
    assert "unknown key" in message(override)


def test_a_key_in_capitals_is_close_to_the_lower_case_one() -> None:
    assert "did you mean seed" in message("SEED=3")


def _checked(*overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        training.check_files(preflight("train", list(overrides)).config)
    return str(caught.value)


def test_missing_files_are_refused(tmp_path: Path) -> None:
    style, both = f"data.style={tmp_path}", ["data=folders", f"data.content={tmp_path}", f"data.style={tmp_path}"]
    assert _checked(*both).startswith(f"data.content={tmp_path} holds no picture")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.JPG").touch()
    assert _checked("data=folders", "data.content=/nowhere", style).startswith("data.content=/nowhere does not exist")
    assert _checked("data=folders", f"data.content=[{tmp_path},/no]", style).startswith("data.content=/no does not")
    assert _checked("encoder.weights=no.pth").startswith("encoder.weights=no.pth is not an existing file")
    assert _checked(*both, "data.held_out=no.txt").startswith("data.held_out=no.txt is not an existing file")
    training.check_files(preflight("train", both).config)


def test_logs_that_are_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    for below in ("logs", "logs/deeper"):
        assert f"{tmp_path}/logs is not a folder" in _checked(f"logs={tmp_path}/{below}")
    training.check_files(preflight("train", [f"logs={tmp_path}/new/deeper"]).config)


def test_an_unknown_metric_cannot_be_monitored() -> None:
    assert "did you mean val/loss" in message("monitor.metric=val/los")


def test_too_many_loader_processes_are_refused() -> None:
    given = {"train": (), "bench": (), "stylize_dataset": ("content=a", "style=b", "out=c")}
    for command, others in given.items():
        key = "data.num_workers" if command == "train" else "workers"
        assert message(f"{key}=10000", *others, config=command).startswith(f"{key}=10000 is too many")


def test_a_crop_larger_than_the_resized_picture_is_refused() -> None:
    assert message("crop=600", config="bench").startswith("crop=600 is larger than resize=512")


@pytest.mark.parametrize("key", ["model.init", "encoder.weights", "compare_with"])
def test_a_file_without_weights_is_refused_before_anything_starts(key: str, tmp_path: Path) -> None:
    (tmp_path / "bad.ckpt").write_text("no weights")
    assert _checked(f"{key}={tmp_path}/bad.ckpt").startswith(f"{key}={tmp_path}/bad.ckpt holds no weights: give")
    torch.save({}, tmp_path / "good.ckpt")
    save_file({"a": torch.zeros(1)}, tmp_path / "good.safetensors")
    for name in ("good.ckpt", "good.safetensors"):
        training.check_files(preflight("train", [f"{key}={tmp_path}/{name}"]).config)


def test_a_style_that_is_not_a_picture_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "style.jpg").write_text("no picture")
    told = _checked("experiment=texture_network", f"model.style={tmp_path}/style.jpg")
    assert told.endswith("style.jpg cannot be used (empty or not a picture): give another picture")


@pytest.mark.parametrize(
    ("command", "override"),
    [
        ("stylize", "seconds=abc"),
        ("stylize", "batch_size=two"),
        ("train", "trainer.gradient_clip_val=abc"),
        ("train", "callbacks.grid.pairs=true"),
    ],
)
def test_a_wrong_number_is_refused_for_a_key_whose_default_is_null(command: str, override: str) -> None:
    given = [override, "content=a", "style=b"] if command == "stylize" else [override]
    with pytest.raises(UserError, match=re.escape(f"{override} is of the wrong type")):
        preflight(command, given)
