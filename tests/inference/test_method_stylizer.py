"""``make stylize method=...`` and ablations as ``decoder=``, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from adain.functional.color import colors, coral, keep_chroma
from adain.inference.method_stylizer import MethodStylizer
from tests.helpers.networks import saved
from tests.helpers.pictures import draw_folders
from tests.helpers.runners import run_here


@pytest.fixture(scope="module")
def cwd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = draw_folders(tmp_path_factory.mktemp("methods"))
    for name in ("style_swap", "texture_network", "concat", "in_decoder"):
        folder = root / "logs" / "runs" / name / "2026-01-01_00-00-00" / "checkpoints"
        folder.mkdir(parents=True)
        saved(name, folder)
    return root


def stylize(cwd: Path, *overrides: str) -> tuple[int, str]:
    """Exit code and all that was printed."""
    return run_here("stylize", cwd, "device=cpu", *overrides, together=True)[:2]


CONCAT = "decoder=logs/runs/concat/2026-01-01_00-00-00"
IN_DECODER = "decoder=logs/runs/in_decoder/2026-01-01_00-00-00/checkpoints/best.ckpt"


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=gatys", "model.iterations=2"],
        ["model=style_swap", "alpha=0.5", "preserve_color=coral"],
        [CONCAT],
        [IN_DECODER, "alpha=0.5", "preserve_color=luminance"],
    ],
)
def test_pictures_of_the_contents_size(cwd: Path, overrides: list[str]) -> None:
    code, text = stylize(cwd, "content=content", "style=style/s0.png", f"out={overrides[0][:12]}", *overrides)
    assert code == 0, text
    made = sorted((cwd / overrides[0][:12]).glob("*.png"))
    assert [path.name for path in made] == ["c0_s0.png", "c1_s0.png", "c2_s0.png"]
    for path in made:
        picture = np.asarray(Image.open(path).convert("RGB"), dtype=float)
        content = np.asarray(Image.open(cwd / "content" / path.name.replace("_s0", "")), dtype=float)
        assert picture.shape == content.shape
        assert np.abs(picture - content).mean() > 0.5


class Noting:
    """A system that gives one picture back whatever it is asked, and notes what that was."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.made = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(3))

    def encode_style(self, style: torch.Tensor) -> str:
        return "encoded"

    def stylize(self, content: torch.Tensor, style: Any, alpha: float = 1.0) -> torch.Tensor:
        self.asked.append((content, style, alpha))
        return self.made.clone()


def test_a_system_is_given_content_style_and_strength() -> None:
    random = np.random.default_rng(0)
    content, style = (random.integers(0, 256, (*size, 3), np.uint8) for size in ((20, 24), (26, 30)))
    style[..., 1:] //= 3  # reddish
    photo, painting = Image.fromarray(content), Image.fromarray(style)
    picture, wanted = (torch.from_numpy(array).permute(2, 0, 1)[None] / 255 for array in (content, style))
    system = Noting()
    stylizer = MethodStylizer(system)  # type: ignore[arg-type]

    def same(made: Image.Image, wanted: torch.Tensor) -> bool:
        return bool(np.abs(np.asarray(made) - 255 * wanted[0].permute(1, 2, 0).numpy()).max() < 0.6)

    assert same(stylizer.stylize(photo, styles=[painting], alpha=0.3), system.made)
    assert same(
        stylizer.stylize(photo, styles=["encoded before"], preserve_color="luminance"),
        keep_chroma(system.made, picture),
    )
    stylizer.stylize(photo, styles=[painting], preserve_color="coral")
    (plain, seen, alpha), (_, encoded, full), (_, moved, _) = system.asked
    assert (encoded, alpha, full) == ("encoded before", 0.3, 1.0)
    torch.testing.assert_close((plain, seen), (picture, wanted))
    torch.testing.assert_close(moved, coral(wanted, colors(picture)))


@pytest.mark.parametrize("given", ["tile=64", "precision=bf16-mixed"])
def test_an_ablation_refuses_what_it_would_ignore(cwd: Path, given: str) -> None:
    code, text = stylize(cwd, "content=content/c0.png", "style=style/s0.png", CONCAT, given)
    assert code == 1
    assert f"{given} is for the plain decoder" in text
    assert text.count("\n") == 1


def test_a_texture_network_takes_no_style(cwd: Path) -> None:
    code, text = stylize(cwd, "model=texture_network", "content=content/c0.png")
    assert code == 0, text
    assert (cwd / "logs" / "stylized" / "c0_texture_network.png").is_file()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=texture_network", "style=style/s0.png"], "texture_network knows one style"),
        (["model=texture_network", "alpha=0.5"], "texture_network has no strength"),
        (["model=gatys", "style=style/s0.png", "alpha=0.5"], "gatys has no strength"),
        (["model=gatys", "style=style/s0.png", "decoder=reference"], "model=gatys has no decoder: leave it out"),
        (["model=style_swap", "styles=[style/s0.png,style/s1.png]"], "style_swap cannot mix"),
        (["model=style_swap", "style=style/s0.png", "masks=[style/s1.png]"], "cannot keep styles apart by masks"),
        (["model=style_swap", "style=style/s0.png", "tile=128"], "tile=128 is for model=adain"),
        (["model=style_swap", "style=style/s0.png", "logs=none"], "no model=style_swap was trained below none yet"),
        (["model=gatys", "style=style/s0.png", "precision=bf16-mixed"], "precision=bf16-mixed is for model=adain"),
        (["model=gates", "style=style/s0.png"], "model=gates does not exist (did you mean gatys?)"),
        ([CONCAT, "style=style/s0.png", "alpha=0.5"], "this adain network has no strength"),
    ],
)
def test_what_a_system_cannot_do_is_one_sentence(cwd: Path, overrides: list[str], message: str) -> None:
    code, text = stylize(cwd, "content=content/c0.png", "out=never.png", *overrides)
    assert code == 1
    assert message in text
    assert text.strip().count("\n") == 0
    assert not (cwd / "never.png").exists()
