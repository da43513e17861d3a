"""What ``make stylize`` does with a video: check it, make it, describe it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from adain.inference.jobs import Job
from adain.inference.request import StylizeRequest, is_live
from adain.runtime.errors import UserError
from adain.runtime.extras import install_command
from adain.runtime.progress import Bar

if TYPE_CHECKING:
    from PIL import Image

    from adain.inference.stylizer import Stylizer
    from adain.inference.video.clip import Report


_SHOWN = 5
"""Frames of ``grid=frames``."""


def check_videos(request: StylizeRequest, jobs: Sequence[Job]) -> None:
    """Check what videos are asked for, before torch is imported; of a single one, that it can be read.

    Raises:
        UserError: At the first mistake.
    """
    shown = request.grid == "frames"
    videos = [job for job in jobs if job.content.video or shown]
    if not videos:
        return
    if request.grid is not None and not shown:
        raise UserError(
            f"grid={request.grid} is for pictures, but content holds a video: leave it out, or give grid=frames"
        )
    if request.model_name != "adain":
        raise UserError(f"model={request.model['name']} makes pictures, but content holds a video: leave it out")
    if find_spec("av") is None:
        raise UserError(f"videos need PyAV, which is not installed: {install_command('video')}")
    contents = {job.content.path for job in videos}
    live = [path for path in contents if is_live(str(path))]
    if live and len(jobs) > 1:
        raise UserError(f"content={live[0]} is read as it comes, so only one result can be made of it: give one style")
    if len(contents) == 1 and not live:
        from adain.inference.video.source import Source

        Source(str(contents.pop()), None, None, request.max_pixels).close()


def make_video(
    job: Job,
    request: StylizeRequest,
    stylizer: Stylizer,
    styles: Any,
    masks: Any,
    *,
    sink: BinaryIO | None = None,
) -> Report:
    """Make a video under a progress bar, and print what it cannot keep before its first frame is made.

    Args:
        job: Which.
        request: What is asked.
        stylizer: Makes it.
        styles: Pictures, or statistics of them.
        masks: Pictures, or None.
        sink: Where it goes to in place of its file.

    Returns:
        What was made, with the notes that are not printed yet.

    Raises:
        SourceError: If the content cannot be used.
        UserError: If the result cannot be written.
    """
    from adain.inference.video.clip import stylize_video

    said: list[str] = []
    name = "video" if is_live(str(job.content.path)) else job.content.name.name
    with Bar(unit="frame", desc=name, leave=False, long=True) as bar:

        def progress(done: int, total: int | None) -> None:
            bar.total = max(done, total) if total else None
            bar.update(done - bar.n)

        def say(note: str) -> None:
            said.append(note)
            if request.grid is None:  # of a grid the frames alone are used
                bar.write(f"{name}: {note}", file=sys.stderr)

        report = stylize_video(
            stylizer,
            job.content.path,
            sink or job.out,
            styles,
            masks=masks,
            **request.options,
            temporal=request.temporal,
            side=request.side,
            seconds=request.seconds,
            crf=request.crf,
            batch_size=request.batch_size,
            max_pixels=request.max_pixels,
            progress=progress,
            say=say,
        )
    return report._replace(notes=report.notes[len(said) :])


def make_frame_grid(job: Job, request: StylizeRequest, stylizer: Stylizer, styles: Any, masks: Any) -> Image.Image:
    """Return a video's frames above the same in its style. Arguments: see ``make_video``."""
    from adain.inference.grids import frame_grid

    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.mkv"
        with made.open("wb") as sink:
            count = make_video(job, request, stylizer, styles, masks, sink=sink).frames
        numbers = sorted({round(index * (count - 1) / (_SHOWN - 1)) for index in range(_SHOWN)})
        before, seconds = _picked(job.content.path, numbers, request)
        after, _ = _picked(made, numbers, request)
    return frame_grid(before, after, seconds)


def _picked(path: Path, numbers: Sequence[int], request: StylizeRequest) -> tuple[list[Image.Image], list[float]]:
    """Return some of a video's frames, reduced to a cell, and their times."""
    from PIL import Image

    from adain.inference.video.source import Source

    pictures, seconds = [], []
    with Source(str(path)) as source:
        for number, frame in enumerate(source.frames(ahead=4)):
            if number in numbers:
                pictures.append(Image.fromarray(frame.pixels))
                pictures[-1].thumbnail((request.cell, request.cell))
                seconds.append(float(frame.pts * source.form.time_base))
            if number == numbers[-1]:
                break
    return pictures, seconds


def describe(out: Path, report: Report, decoder: str) -> str:
    """Return what is printed of a video; ``decoder`` is how it is called."""
    speed = report.frames / max(report.seconds, 1e-9)
    lines = [
        f"{out}  ({report.width} x {report.height}, {report.frames} frames, {speed:.1f} frames per second, {decoder})"
    ]
    if report.frames > 1:
        result, source = report.change
        lines.append(
            f"  flicker {report.flicker:+.4f}: from frame to frame the result changes by {result:.4f}, the source by "
            f"{source:.4f}  ({report.scenes} scene{'s'[: report.scenes > 1]})"
        )
    return "\n".join(lines + [f"  {note}" for note in report.notes])
