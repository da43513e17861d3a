"""Statistics averaged over time, and where they begin anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch

av = pytest.importorskip("av", reason="needs the extra video")

from pathlib import Path

from adain.functional.color import colors
from adain.functional.statistics import Statistics
from adain.inference.stylizer import Stylizer
from adain.inference.video.clip import stylize_video
from adain.inference.video.smoothing import Cuts, Recoloring, Smoother
from adain.inference.video.source import Source
from tests.helpers.clips import moving, write
from tests.helpers.pictures import smooth


def of(*values: float) -> list[Statistics]:
    column = torch.tensor(values).view(-1, 1, 1, 1)
    return [Statistics(column, column + 1)]


def test_the_average_is_exponential() -> None:
    smoother = Smoother(0.75)
    smoother.expect([True, False, False, False])
    first, rest = smoother(of(8.0)), smoother(of(0.0, 4.0, 4.0))
    assert first[0].mean.flatten().tolist() == [8]
    assert rest[0].mean.flatten().tolist() == pytest.approx([6, 5.5, 5.125])
    assert rest[0].std.flatten().tolist() == pytest.approx([7, 6.5, 6.125])


@pytest.mark.parametrize(("temporal", "wanted"), [(0, [8, 0, 4]), (1, [8, 8, 8])])
def test_its_ends(temporal: float, wanted: list[float]) -> None:
    smoother = Smoother(temporal)
    smoother.expect([True, False, False])
    assert smoother(of(8.0, 0.0, 4.0))[0].mean.flatten().tolist() == wanted


def test_a_cut_begins_anew() -> None:
    smoother = Smoother(0.9)
    smoother.expect([True, False, True])
    assert smoother(of(8.0, 8.0, 1.0))[0].mean.flatten().tolist() == pytest.approx([8, 8, 1])


def scene(seed: int, height: int = 48, width: int = 96) -> np.ndarray:
    return np.array(smooth(seed, (width, height)))


def find(frames: list[np.ndarray]) -> list[bool]:
    return Cuts().find(torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2))


def test_cuts_are_found() -> None:
    frames = [scene(seed)[:, :64] for seed in (0, 0, 1, 1, 2)]
    assert find(frames) == [True, False, True, False, True]


def test_a_pan_a_flash_and_a_fade_are_no_cuts() -> None:
    picture = scene(3)
    assert sum(find([picture[:, 2 * step : 2 * step + 64] for step in range(16)])) == 1
    assert sum(find([(picture * level).astype(np.uint8) for level in (1, 0.4, 1, 0.3, 0.9)])) == 1
    assert sum(find([(picture * (step / 16)).astype(np.uint8) for step in range(16, 0, -1)])) == 1


def test_cuts_between_plain_colors_are_found() -> None:
    plain = [np.full((48, 64, 3), color, np.uint8) for color in ((200, 0, 0), (200, 0, 0), (0, 0, 200))]
    assert find(plain) == [True, False, True]


def test_styles_are_recolored_when_the_colors_move() -> None:
    frame = torch.from_numpy(scene(0)).permute(2, 0, 1)[None]
    recoloring = Recoloring(0.75)
    assert recoloring.changed(frame, True) is not None
    assert recoloring.changed(frame, False) is None
    moved = recoloring.changed(frame // 2, False)
    assert moved is not None
    torch.testing.assert_close(moved.mean, 0.75 * colors(frame).mean + 0.25 * colors(frame // 2).mean)
    torch.testing.assert_close(moved.covariance, 0.75 * colors(frame).covariance + 0.25 * colors(frame // 2).covariance)
    cut = recoloring.changed(frame // 3, True)
    assert cut is not None
    torch.testing.assert_close(cut.mean, colors(frame // 3).mean)


@pytest.fixture(scope="module")
def stylizer() -> Stylizer:
    return Stylizer.load("reference", device="cpu")


@pytest.fixture(scope="module")
def flickering(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [(frame * (1 - 0.3 * (index % 2))).astype(np.uint8) for index, frame in enumerate(moving(8, (48, 32)))]
    return write(tmp_path_factory.mktemp("clip") / "in.mp4", frames, audio=None)


def test_smoothing_calms_what_stands_still(stylizer: Stylizer, tmp_path: Path) -> None:
    """Something flits through a corner: without smoothing the colors of the whole picture change with it."""
    ground, noise = scene(5, 96, 128) * 0.6, np.random.default_rng(0)
    frames = []
    for index in range(5):
        frame = ground.copy()
        if index % 2:
            frame[:24, :24] = noise.integers(0, 2, (1, 24, 3)) * 255
        frames.append(frame.astype(np.uint8))
    source = write(tmp_path / "in.mp4", frames, audio=None)
    style = torch.from_numpy(scene(9)).permute(2, 0, 1)
    reports = [
        stylize_video(stylizer, source, tmp_path / f"{temporal}.mp4", [style], temporal=temporal)
        for temporal in (0.0, 0.8)
    ]
    assert [report.scenes for report in reports] == [1, 1]
    assert reports[1].flicker < 0.8 * reports[0].flicker
    still = []
    for temporal in (0.0, 0.8):
        with av.open(str(tmp_path / f"{temporal}.mp4")) as container:
            corner = np.stack([f.to_ndarray(format="rgb24")[56:, 56:].astype(float) for f in container.decode(video=0)])
        still.append(np.abs(np.diff(corner, axis=0)).mean())
    assert still[1] < still[0] / 2


def test_the_real_networks_without_smoothing_are_stylize(stylizer: Stylizer, flickering: Path, tmp_path: Path) -> None:
    style = torch.from_numpy(scene(9)).permute(2, 0, 1)
    for preserve in ("none", "coral", "luminance"):
        out = tmp_path / f"{preserve}.mp4"
        stylize_video(stylizer, flickering, out, [style], temporal=0, crf=4, preserve_color=preserve, seconds=0.1)  # type: ignore[arg-type]
        source = Source(str(flickering))
        content = next(source.frames(2)).pixels
        source.close()
        with av.open(str(out)) as after:
            got = next(after.decode(video=0)).to_ndarray(format="rgb24")
        wanted = stylizer.stylize(content, style, preserve_color=preserve)  # type: ignore[arg-type]
        assert np.abs(got.astype(int) - wanted.astype(int)).mean() < 8  # 4:2:0 takes fine color


def test_a_red_frame_stays_red_at_alpha_0(stylizer: Stylizer, tmp_path: Path) -> None:
    frame = np.full((48, 64, 3), (200, 30, 30), np.uint8)
    source = write(tmp_path / "in.mp4", [frame] * 2, audio=None)
    style = torch.from_numpy(scene(9)).permute(2, 0, 1)
    stylize_video(stylizer, source, tmp_path / "out.mp4", [style], alpha=0)
    reconstructed = stylizer.stylize(frame, style, alpha=0)
    with av.open(str(tmp_path / "out.mp4")) as container:
        got = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    assert np.abs(got.mean((0, 1)) - reconstructed.mean((0, 1))).max() < 4
    assert got[..., 0].mean() > 120 > 90 > got[..., 1:].mean()
