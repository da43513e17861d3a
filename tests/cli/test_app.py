"""How a command starts, fails and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, get_args

import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from adain.cli import app, arguments
from adain.cli.preflight import compose
from adain.cli.preflight import training as preflight
from adain.cli.preflight.values import check_value
from adain.runtime import mistakes, quoting, schema
from adain.runtime.conf import build
from adain.runtime.errors import UserError

# --- a mistyped key, as a user types it -----------------------------------------------------------------------------

WRAPPED = """
import atexit, runpy, sys
atexit.register(lambda: print("heavy", sorted({"torch", "pytorch_lightning", "wandb"} & set(sys.modules))))
runpy.run_module("adain.cli.train", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def mistyped(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run ``make train model.style_wieght=20``; return the result and the folder it ran in."""
    folder = tmp_path_factory.mktemp("mistyped")
    command = [sys.executable, "-c", WRAPPED, "model.style_wieght=20"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return done, folder


Mistyped = tuple[subprocess.CompletedProcess[str], Path]


def test_a_mistyped_key_ends_with_exit_code_1(mistyped: Mistyped) -> None:
    assert mistyped[0].returncode == 1


def test_a_mistyped_key_is_one_line(mistyped: Mistyped) -> None:
    assert mistyped[0].stderr.startswith("error: unknown key model.style_wieght (did you mean model.style_weight")
    assert mistyped[0].stderr.count("\n") == 1


def test_a_mistyped_key_is_found_before_torch_is_imported(mistyped: Mistyped) -> None:
    assert mistyped[0].stdout == "heavy []\n"


def test_a_mistyped_key_makes_no_folder(mistyped: Mistyped) -> None:
    assert list(mistyped[1].iterdir()) == []


# --- ends -----------------------------------------------------------------------------------------------------------


Ended = Callable[[Callable[[DictConfig], Any]], tuple[object, str]]


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ended:
    """Run a command with a task; return its exit code and stderr."""

    def run(task: Callable[[DictConfig], Any]) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["stylize", "content=a.png", "style=b.png"])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "")
        code: object = 0
        try:
            app.run("stylize", task)
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().err

    return run


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def raising(error: BaseException) -> Callable[[DictConfig], NoReturn]:
    def task(config: DictConfig) -> NoReturn:
        raise error

    return task


def test_a_task_gets_what_hydras_own_runner_gives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The configuration, Hydra's own node, and the record of a run, though it is composed only once here."""
    given, nodes, records = [], [], []
    for name, flag in (("ours", []), ("hydra", ["--run"])):  # with a flag, hydra.main composes and runs
        run = tmp_path / name

        def task(config: DictConfig) -> None:
            given.append(config)
            nodes.append(OmegaConf.to_container(HydraConfig.get()))

        monkeypatch.setattr(sys, "argv", ["train", "experiment=smoke", f"hydra.run.dir={run}", *flag])
        app.run("train", task)
        records.append([(run / ".hydra" / file).read_text() for file in ("config.yaml", "overrides.yaml")])
    ours, hydras = nodes
    assert hydras["overrides"].pop("hydra").pop() == "hydra.mode=RUN"
    ours["overrides"].pop("hydra")
    for node in nodes:
        assert Path(node["run"].pop("dir")).name == Path(node["runtime"].pop("output_dir")).name
    assert ours == hydras
    assert given[0] == given[1]
    assert all(OmegaConf.is_struct(config) for config in given)
    assert records[0] == records[1]


def test_a_task_gets_its_configuration(ended: Ended) -> None:
    seen: list[str] = []
    assert ended(lambda config: seen.append(config.content)) == (0, "")
    assert seen == ["a.png"]


def test_a_users_mistake_in_the_task_is_one_line(ended: Ended) -> None:
    assert ended(raising(UserError("give less"))) == (1, "error: give less\n")


def test_a_users_mistake_inside_instantiate_is_one_line(ended: Ended) -> None:
    error = InstantiationException("Error in call to target 'x':\nUserError('give less')")
    error.__cause__ = UserError("give less")
    assert ended(raising(error)) == (1, "error: give less\n")


def test_a_target_that_cannot_be_called_says_why(ended: Ended) -> None:
    error = InstantiationException("Error in call to target 'x':\nTypeError('unexpected argument foo')")
    error.__cause__ = TypeError("unexpected argument foo")
    code, text = ended(raising(error))
    assert code == 1
    assert "unexpected argument foo" in text


def test_ctrl_c_ends_with_130(ended: Ended) -> None:
    assert ended(raising(KeyboardInterrupt())) == (130, "stopped by Ctrl-C\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_with_its_code_and_cleans_up(number: signal.Signals, ended: Ended) -> None:
    cleaned: list[str] = []

    def task(config: DictConfig) -> None:
        try:
            signal.raise_signal(number)
        finally:
            cleaned.append(config.content)

    before = signal.getsignal(number)
    assert ended(task) == (128 + number, f"stopped by {number.name}\n")
    assert cleaned == ["a.png"]
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("word", ["hydra.job.chdir=true", "++hydra.job.chdir=True"])
def test_a_task_runs_where_it_was_typed(
    word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Path] = []
    monkeypatch.setattr(sys, "argv", ["evaluate", word])
    app.run("evaluate", lambda config: seen.append(Path.cwd()))
    assert seen == [Path.cwd()]
    assert "file names are relative to the folder where you type" in capsys.readouterr().err


def test_an_exit_code_of_the_task_is_kept(ended: Ended) -> None:
    assert ended(raising(SystemExit(143)))[0] == 143


def test_a_bug_is_not_hidden(ended: Ended) -> None:
    with pytest.raises(ZeroDivisionError):
        ended(raising(ZeroDivisionError()))


def test_a_bug_met_while_handling_a_mistake_is_not_hidden(ended: Ended) -> None:
    def task(config: DictConfig) -> None:
        try:
            raise UserError("handled")
        except UserError:
            print(1 / 0)

    with pytest.raises(ZeroDivisionError):
        ended(task)


# --- file names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "/plain/with-1.2/x.png",
        "a b.png",
        " a.png",
        "a,b.png",
        "a[1].png",
        "[x].png",
        "{x}.png",
        "(x).png",
        "k=v.png",
        "it's.png",
        '"q".png',
        "naïve.png",
        "图 画.png",
        "a~b^c.png",
        "~/a.png",
        "a&b;c#d!.png",
        "$x 100%.png",
        "a+b@c:d.png",
        "a\\b.png",
        "a\\'b.png",
        "a b\\",
    ],
)
def test_a_file_name_is_read_literally(name: str) -> None:
    override = OverridesParser.create().parse_override(quoting.quoted(f"content={name}"))
    assert override.value() == name


@pytest.mark.parametrize("name", ["2024", "1.5", "1e3", "true"])
def test_a_file_name_that_looks_like_a_number_stays_a_name(name: str) -> None:
    assert OverridesParser.create().parse_override(quoting.quoted(f"content={name}")).value() == name


@pytest.mark.parametrize("value", ["null", "[]", "['a,b','c']", "'a b'", '"a b"'])
def test_empty_and_quoted_values_are_unchanged(value: str) -> None:
    assert quoting.quoted(f"data.content={value}") == f"data.content={value}"


@pytest.mark.parametrize("names", [["a", "b"], ["a b.png", "k=v.png"], ["it's.png"], ["2024", "a(1).png", "C:\\x\\"]])
def test_every_name_of_a_list_is_read_literally(names: list[str]) -> None:
    override = quoting.quoted(f"styles=[{','.join(names)}]")
    assert OverridesParser.create().parse_override(override).value() == names


def test_a_file_named_like_a_list_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("[1]").touch()
    assert OverridesParser.create().parse_override(quoting.quoted("content=[1]")).value() == "[1]"


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("[a,b]", ["a", "b"]),
        ("[a b,'c,d','k=v']", ["a b", "c,d", "k=v"]),
        ("['a${x}b','~/c']", ["a${x}b", "~/c"]),
        ("[~/monet, ~/a (1),k=v]", ["~/monet", "~/a (1)", "k=v"]),
        ("[2024]", ["2024"]),
    ],
)
def test_a_list_of_file_names_stays_a_list(typed: str, names: list[str], tmp_path: Path) -> None:
    quoted = quoting.quoted(f"data.content={typed}")
    config = compose.preflight("train", ["data=folders", "data.style=/b", quoted]).config
    assert list(config.data.content) == names


NASTY = ["a${x}b", "${oc.env:HOME}", "a\\${x}", "a\\\\${b", "$${x}'", "${a'b", "k=v, ${w} [z]", "\\"]


@pytest.mark.parametrize("name", NASTY)
def test_an_interpolation_in_a_file_name_is_read_literally(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both our preflight and ``hydra.main`` compose the configuration."""
    seen: list[DictConfig] = []
    keys = ("data.content", "encoder.weights", "logs", "ckpt")
    monkeypatch.setattr(compose, "check", lambda *_: None)
    monkeypatch.setattr(app, "check_files", seen.append)
    typed = ["data=folders", "data.style=/b", *(f"{key}={name}" for key in keys), "hydra.run.dir=out"]
    monkeypatch.setattr(sys, "argv", ["train", *typed])
    app.run("train", seen.append)
    assert [OmegaConf.select(config, key) for config in seen for key in keys] == [name] * 8


# --- lists and addresses --------------------------------------------------------------------------------------------


def composed(command: str, typed: str, *more: str) -> Any:
    words = arguments.cleaned(command, [typed, *more])
    value = OmegaConf.select(compose.compose_config(command, words), typed.partition("=")[0])
    return list(value) if OmegaConf.is_list(value) else value


@pytest.mark.parametrize(
    ("command", "typed", "value"),
    [
        ("stylize", "styles=a.jpg,b c.jpg", ["a.jpg", "b c.jpg"]),
        ("stylize", "styles=a${x}.jpg,~/b.jpg", ["a${x}.jpg", "~/b.jpg"]),
        ("stylize", "styles=[a.jpg,b.jpg]", ["a.jpg", "b.jpg"]),
        ("stylize", "masks=a.jpg", ["a.jpg"]),
        ("stylize", "content=a.jpg", "a.jpg"),
        ("stylize", "weights=0.7,.3", [0.7, 0.3]),
        ("stylize", "styles=null", None),
        ("evaluate", "metrics=ssim,lpips", ["ssim", "lpips"]),
        ("evaluate", "metrics=all", "all"),
        ("bench", "sizes=64", [64]),
        ("bench", "compile=false,true", [False, True]),
        ("compare", "parts=speed,losses", ["speed", "losses"]),
    ],
)
def test_a_list_needs_no_brackets_where_nothing_is_swept(command: str, typed: str, value: Any) -> None:
    assert (
        composed(command, typed, *(["content=x"] if command == "stylize" and "content" not in typed else [])) == value
    )


def test_a_file_whose_name_contains_a_comma_is_one_file() -> None:
    for name in ("a,b.jpg", "c,d,e.jpg"):
        Path(name).touch()
    assert composed("stylize", "content=a,b.jpg") == "a,b.jpg"
    assert composed("stylize", "content=x.jpg,a,b.jpg,c,d,e.jpg") == ["x.jpg", "a,b.jpg", "c,d,e.jpg"]


def test_a_comma_still_sweeps() -> None:
    assert arguments.cleaned("train", ["data.content=a,b"]) == ["data.content='a,b'"]
    assert arguments.cleaned("stylize", ["-m", "weights=1,2"]) == ["-m", "weights=1,2"]


@pytest.mark.parametrize("typed", ["content=https://x.org/a.jpg", "styles=[a.jpg,s3://b/c.jpg]", "styles=a,http://b"])
def test_an_address_says_that_nothing_is_downloaded(typed: str) -> None:
    with pytest.raises(UserError, match=r"=\w+://\S+ is an address: nothing is downloaded"):
        arguments.cleaned("stylize", [typed])


def test_a_folder_of_outputs_that_hydra_would_take_for_a_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Hydra reads"):
        preflight.check_files(OmegaConf.create({"logs": str(tmp_path / "a \\${y}")}))


def test_a_node_is_built_with_file_names_as_they_are() -> None:
    node = OmegaConf.create({"_target_": "builtins.dict", "_convert_": "all", "a": "c \\${y}", "b": ["\\${y}/1", "2"]})
    assert build(node, c="${z}") == {"a": "c ${y}", "b": ["${y}/1", "2"], "c": "${z}"}


def test_every_key_that_holds_a_file_name_is_read_literally() -> None:
    of_models = {f"model.{key}": kind for keys in schema.MODELS.values() for key, kind in keys.items()}
    for command, keys in [*schema.KEYS.items(), ("stylize", of_models)]:
        for key, kind in keys.items():
            marks = [mark for part in (kind, *get_args(kind)) for mark in getattr(part, "__metadata__", ())]
            named = any(isinstance(mark, schema.OrPath | schema.IsFile) for mark in marks)
            if named or key.startswith(("weights.", "checkpoints.")):
                assert key in quoting.FILE_KEYS, f"{key} of {command}"
    others = {"logs", "out", "data.content", "model.init", "encoder.weights", "data.manifest", "benchmark.pictures"}
    assert others <= quoting.FILE_KEYS


# --- names that are not UTF-8 -----------------------------------------------------------------------------------------


def test_a_name_outside_utf_8_is_a_text_like_any_other() -> None:
    check_value("content", "caf\udce9.jpg", schema.Paths)
    check_value("content", ["caf\udce9.jpg", "b"], schema.Paths)
    with pytest.raises(UserError, match="content"):
        check_value("content", True, schema.Paths)


# --- a package that is not there ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("datasets", ["`hub`", "make setup EXTRAS=hub"]),
        ("datasets.features", ["`hub`", "make setup EXTRAS=hub"]),
        ("tensorboard", ["`tensorboard`", "make setup EXTRAS=tensorboard"]),
        ("nowhere_at_all", ["nowhere-at-all", "pip install nowhere-at-all"]),
    ],
)
def test_a_missing_package_is_named_with_its_extra_and_the_command(module: str, words: list[str], ended: Ended) -> None:
    error = ModuleNotFoundError(f"No module named {module!r}", name=module)
    code, text = ended(raising(error))
    assert code == 1
    assert text.count("\n") == 1
    for word in words:
        assert word in text


@pytest.mark.parametrize("plugin", ["hydra_ray_launcher", "hydra_joblib_launcher"])
def test_a_plugin_of_hydra_is_a_package(plugin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [f"{plugin.replace('_', '-')}>=1; extra == 'clusters'"]
    monkeypatch.setattr(mistakes.metadata, "requires", lambda _: wanted)
    assert "`clusters`" in mistakes.missing_package(ModuleNotFoundError("", name=f"hydra_plugins.{plugin}.launcher"))


# --- a machine that cannot be written to ----------------------------------------------------------------------------


def test_a_full_disk_is_a_users_message(ended: Ended) -> None:
    code, text = ended(raising(OSError(28, "No space left on device", "/x/summary.part")))
    assert (code, text.count("\n")) == (1, 1)
    assert "No space left on device" in text
    assert "/x/summary.part" in text


@pytest.mark.parametrize("kind", [13, 1])
def test_a_path_without_permission_is_a_users_message(kind: int, ended: Ended) -> None:
    code, text = ended(raising(OSError(kind, "Permission denied", "/root/x.ckpt")))
    assert (code, text) == (
        1, "error: /root/x.ckpt may not be read or written: check its permissions, or give another path\n"
    )  # fmt: skip


@pytest.mark.parametrize("key", ["model.init", "encoder.weights"])
def test_a_path_below_a_folder_that_may_not_be_entered_is_named_before_the_run(
    key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = os.stat

    def denied(path: Any, *given: Any, **options: Any) -> os.stat_result:
        if str(path).startswith("/locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *given, **options)

    monkeypatch.setattr(os, "stat", denied)
    monkeypatch.setattr(sys, "argv", ["train", f"{key}=/locked/x.ckpt"])
    with pytest.raises(SystemExit, match="1"):
        app.run("train", lambda config: None)
    assert capsys.readouterr().err.startswith("error: /locked/x.ckpt may not be read or written: check")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:1] err. DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
    ],
)
def test_too_little_memory_is_a_users_message(error: Exception, ended: Ended) -> None:
    code, text = ended(raising(error))
    assert (code, text.count("\n")) == (1, 1)
    assert text.startswith("error: this needs more memory than the machine or its GPU has: give smaller batches")


def test_another_system_error_is_not_hidden(ended: Ended) -> None:
    with pytest.raises(OSError, match="Bad file"):
        ended(raising(OSError(9, "Bad file descriptor")))


def test_a_run_folder_that_cannot_be_made_is_a_users_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "argv", ["train", f"hydra.run.dir={tmp_path}/file/run"])
    with pytest.raises(SystemExit) as ending:
        app.run("train", lambda config: None)
    assert ending.value.code == 1
    text = capsys.readouterr().err
    assert text.startswith("error: the output folder cannot be written")
    assert text.count("\n") == 1


def test_other_keys_are_unchanged() -> None:
    assert quoting.quoted("run.tags=[a b]") == "run.tags=[a b]"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("--experiment=smoke", "such as experiment=smoke"),
        ("--content", "such as content=VALUE"),
        ("-model.style_weight=3", "such as model.style_weight=3"),
    ],
)
def test_a_key_typed_with_dashes_is_refused_with_the_right_form(
    typed: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", typed])
    with pytest.raises(SystemExit, match="1"):
        app.run("train", lambda _: pytest.fail("it ran"))
    assert capsys.readouterr().err == f"error: {typed} is not an option: type keys without dashes, {told}\n"


def test_a_home_folder_in_logs_is_found_whatever_the_shell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["export", "logs=~/x"])
    app.run("export", lambda config: print(config.logs), ("logs",))
    assert capsys.readouterr().out == f"{tmp_path}/x\n"
