"""What an installed package brings along, and that it works away from the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from importlib.metadata import version
from pathlib import Path

import pytest
from PIL import Image

import adain
from tests.helpers.pictures import draw

ROOT = Path(__file__).parents[1]
SMALL = ["experiment=smoke", "trainer.max_steps=1", "trainer.val_check_interval=1", "trainer.precision=32-true"]


def test_the_module_lists_what_it_gives_and_names_what_it_has_not() -> None:
    assert {"Stylizer", "__version__"} <= set(dir(adain))
    assert adain.__version__ == version("adain-lightning")
    assert adain.Stylizer.__name__ == "Stylizer"
    with pytest.raises(AttributeError, match="module 'adain' has no attribute 'Styliser'"):
        _ = adain.Styliser


def test_the_wheel_holds_templates_styles_weights_and_configurations() -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="needs the extra dev").WheelBuilder(str(ROOT))
    packed = {file.distribution_path for file in wheel.recurse_included_files()}
    sources = {
        path.relative_to(ROOT / "src").as_posix()
        for package in ("adain", "hydra_plugins")
        for path in (ROOT / "src" / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    needed = sources | {f"adain/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "conf").rglob("*.yaml")}
    assert {"adain/evaluation/page.html.jinja", "adain/nn/decoder.safetensors", "adain/conf/train.yaml"} <= needed
    assert needed <= packed


def test_every_command_has_a_console_script() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    commands = {path.stem for path in (ROOT / "src/adain/cli").glob("*.py") if "\ndef main(" in path.read_text()}
    commands.remove("prepare")  # of make's set-up
    assert scripts == {f"adain-{name.replace('_', '-')}": f"adain.cli.{name}:main" for name in commands}


@pytest.mark.slow
def test_an_installed_package_works_in_an_empty_folder(tmp_path: Path) -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="needs the extra dev").WheelBuilder(str(ROOT))
    installed, here = tmp_path / "installed", tmp_path / "here"
    with zipfile.ZipFile(next(wheel.build(directory=str(tmp_path), versions=["standard"]))) as archive:
        archive.extractall(installed)
    entries = ConfigParser()
    entries.read(next(installed.glob("*.dist-info/entry_points.txt")))
    path = f"{installed}{os.pathsep}{os.environ['PYTHONPATH'].replace(str(ROOT) + os.pathsep, '')}"
    here.mkdir()

    def run(script: str, *words: str) -> str:
        module, function = entries["console_scripts"][script].split(":")
        code = f"import adain, {module}; assert adain.__file__.startswith({str(installed)!r}); {module}.{function}()"
        line = [sys.executable, "-c", code, *words]
        done = subprocess.run(
            line, cwd=here, capture_output=True, text=True, timeout=600, env={**os.environ, "PYTHONPATH": path}
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    draw(here / "content.png")
    draw(here / "style.png")
    run("adain-train", *SMALL)
    said = run("adain-stylize", "content=content.png", "style=style.png", "out=one.png")
    assert said.startswith(
        "decoder: shipped with the package (the newest finished run is a draft; decoder=latest takes it)"
    )
    assert Image.open(here / "one.png").size == Image.open(here / "content.png").size
    run("adain-stylize", "content=content.png", "style=style.png", "decoder=latest", "grid=decoders", "out=two.png")
    run("adain-sweep", *SMALL, "optimizer.lr=1e-4,2e-4")
    assert re.search("<table", (here / "logs/sweeps/latest/report.html").read_text())
    run("adain-export", "onnx=false", "out=exported")
    assert (here / "exported/decoder.safetensors").is_file()
    run("adain-evaluate", "content=content.png", "style=style.png", "size=48", "metrics=[ssim]", "out=measured")
    assert (here / "measured/index.html").is_file()
