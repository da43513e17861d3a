"""Stylizing whole data sets: reading in worker processes, batches of one size on the device, saving in threads.

The parts are the stages of both engines: ``Reader`` decodes, ``Painter`` stylizes, ``encode`` makes the file's bytes.
``stylize`` joins them on one machine, ``cluster.stylize`` on Ray. ``plan`` says which pictures there are, ``manifest``
what was done.
"""

from __future__ import annotations

import hashlib
import io
import os
import signal
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from adain.data.image_io import SMALLEST
from adain.data.picture import MAX_PIXELS, PictureError, decode_picture, resize_short_side
from adain.functional.statistics import Statistics, join
from adain.inference.dataset.manifest import Manifest, write_part
from adain.inference.dataset.plan import Job, substitutes
from adain.inference.results import too_large
from adain.inference.stylizer import Stylizer, Tile
from adain.nn.decoder import load_decoder
from adain.runtime.errors import UserError
from adain.runtime.progress import Bar
from adain.runtime.schema import Arithmetic

_BATCHED_PIXELS = 1_000_000  # larger pictures go one by one, where Stylizer keeps memory bounded
_WAITING_BATCHES = 8  # batches' worth of pictures that may wait for others of their size
_ATTEMPTS = 100  # so many unreadable styles in a row are not bad luck


class Style(NamedTuple):
    """One decoded style.

    Attributes:
        name: The style that was read: another than asked for, if that was unreadable.
        pixels: ``H x W x 3``, uint8.
        skipped: Names and reasons of those that could not be read on the way to it.
    """

    name: str
    pixels: np.ndarray
    skipped: tuple[tuple[str, str], ...] = ()


class Request(NamedTuple):
    """What a worker is to read: the content of a job, and its style where the model does not have it yet.

    ``forget`` names a style that the model need not keep any longer.
    """

    job: Job
    with_style: bool
    forget: int | None = None


class Read(NamedTuple):
    """What a worker has read.

    Attributes:
        request: What was asked for.
        pixels: The content, ``H x W x 3``, uint8, or None if it could not be read.
        size: The content's width and height as stored, turned upright, before any resizing.
        reason: Why the content could not be read.
        style: The style, if it was asked for.
    """

    request: Request
    pixels: np.ndarray | None
    size: tuple[int, int]
    reason: str
    style: Style | None


@dataclass
class Reader(Dataset[Read]):
    """Decodes contents and styles. Workers send arrays through pipes: containers have little shared memory.

    Args:
        content, style: The folders.
        names: The styles' names, in the plan's order.
        size: Short side that contents are resized to, aspect kept; None for no resizing.
        crop: Side of the central square taken then; None for the whole picture.
        style_size: Styles with a longer short side are reduced to it; None for never.
        max_pixels: Larger pictures are passed over.
    """

    content: Path
    style: Path
    names: list[str]
    size: int | None = None
    crop: int | None = None
    style_size: int | None = None
    max_pixels: int = MAX_PIXELS

    def __getitem__(self, request: Request) -> Read:
        """Read what is asked for. Raises UserError if no style can be read."""
        style = self.read_style(request.job.style) if request.with_style else None
        path = self.content / request.job.content
        try:
            picture, size = _read(path, self.size, self.max_pixels, enlarge=True)
            if self.crop is not None:
                left, top = (picture.width - self.crop) // 2, (picture.height - self.crop) // 2
                picture = picture.crop((left, top, left + self.crop, top + self.crop))
            if too_large(picture.size, request.job.output):
                kind = os.path.splitext(request.job.output)[1]
                raise PictureError(f"{picture.width} x {picture.height} is too large for {kind} files")
        except PictureError as error:
            return Read(request, None, (0, 0), str(error), style)
        return Read(request, np.asarray(picture), size, "", style)

    def read_style(self, style: int) -> Style:
        """Return the style, or the first readable one of a sequence drawn from its name."""
        skipped: dict[str, str] = {}
        for index in substitutes(style, self.names, _ATTEMPTS):
            name = self.names[index]
            try:
                picture, _ = _read(self.style / name, self.style_size, self.max_pixels, enlarge=False)
                return Style(name, np.asarray(picture), tuple(skipped.items()))
            except PictureError as error:
                skipped[name] = str(error)
        every = len(skipped) == len(self.names)
        which = (
            f"none of the {len(skipped)} style pictures can" if every else f"{_ATTEMPTS} style pictures in a row cannot"
        )
        raise UserError(f"{which} be read, the last being {name} ({skipped[name]}): check the folder {self.style}")


def _read(path: Path, side: int | None, max_pixels: int, enlarge: bool) -> tuple[Image.Image, tuple[int, int]]:
    """Return a picture and its size before resizing."""
    picture = decode_picture(path, side, max_pixels, SMALLEST)
    full: tuple[int, int] = picture.info["full_size"]
    return picture if side is None or not (enlarge or min(full) > side) else resize_short_side(picture, side), full


class Painter:
    """The networks, and the statistics of the styles at hand.

    Args:
        decoder: As ``Stylizer.load`` takes it.
        alpha: From 0, the reconstructed content, to 1, the full style.
        device: A GPU if there is one by default.
        precision: As ``Stylizer`` takes it.
    """

    def __init__(
        self, decoder: str, alpha: float = 1.0, device: str | None = None, precision: Arithmetic = "auto"
    ) -> None:
        self.stylizer = Stylizer.load(decoder, device, precision)
        self.device, self.alpha = self.stylizer.device, alpha

    def encode(self, style: Style) -> Statistics:
        """Return the statistics of a decoded style."""
        return self.stylizer.encode_style(style.pixels)

    @torch.inference_mode()
    def paint(self, contents: list[np.ndarray], styles: list[Statistics]) -> list[Image.Image]:
        """Return pictures of one size, each in its style.

        Raises:
            UserError: If the device's memory does not suffice.
        """
        each = join(styles)
        try:
            tile: Tile = "auto" if len(contents) == 1 else None  # only small pictures come together
            made = self.stylizer.stylize(np.stack(contents), each, self.alpha, tile=tile)
            return [Image.fromarray(picture) for picture in made]
        except torch.OutOfMemoryError:
            height, width = contents[0].shape[:2]
            raise UserError(
                f"{len(contents)} pictures of {width} x {height} do not fit into the memory of {self.device}: give a "
                "smaller batch_size or size"
            ) from None


def decoder_digest(decoder: str) -> str:
    """Return the SHA-256 of a decoder's weights, whatever file they are in, and its encoder's name."""
    trained = load_decoder(decoder)
    digest = hashlib.sha256(trained.encoder.encode())
    for name, tensor in sorted(trained.decoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def encode(picture: Image.Image, output: str, quality: int) -> bytes:
    """Return the bytes of a picture file of the kind that its name's ending says. PNG has no loss and takes no quality."""
    kind = Image.registered_extensions()[os.path.splitext(output)[1].lower()]
    buffer = io.BytesIO()  # straight into a file, Pillow hides why writing failed
    picture.save(buffer, kind, **({} if kind == "PNG" else {"quality": quality}))
    return buffer.getvalue()


def stylize(
    jobs: Iterable[Job],
    reader: Reader,
    painter: Painter,
    manifest: Manifest,
    bar: Bar,
    shared: Mapping[str, Any],
    batch_size: int = 1,
    workers: int = 1,
    cached_styles: int = 16384,
    quality: int = 95,
) -> int:
    """Make the pictures of the jobs on this machine.

    Args:
        jobs: What is to be made, in any order; read lazily.
        reader: The first stage.
        painter: The second.
        manifest: Where finished pictures are committed.
        bar: Is moved one step a job.
        shared: What all rows of the manifest have in common: seed, alpha and decoder.
        batch_size: Pictures of one size that go through the networks together.
        workers: Reading processes; 0 reads in this one.
        cached_styles: So many styles' statistics, 4 KB each, are kept for later pictures. At least 1.
        quality: Of JPEG and WebP, 1 to 100.

    Returns:
        How many pictures were made.
    """

    def save(row: dict[str, Any], picture: Image.Image) -> None:
        write_part(manifest.out, row["output"], encode(picture, row["output"], quality))
        manifest.commit(row)

    collate: Any = _as_it_is  # typed for batches, which this loader does not make
    loader = DataLoader(
        reader,
        sampler=requests(jobs, cached_styles),  # any iterable will do: it is not indexed
        batch_size=None,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        collate_fn=collate,
        worker_init_fn=_leave_interrupts_to_the_parent,
    )
    reads = iter(loader)  # worker processes are forked before there are threads
    pending: deque[Future[None]] = deque()
    count = 0
    with ThreadPoolExecutor(2 + workers) as pool:
        try:
            for batch in batches(_styled(reads, painter, manifest, bar), batch_size):
                pictures = painter.paint([one.pixels for one in batch], [one.statistics for one in batch])
                for one, picture in zip(batch, pictures, strict=True):
                    pending.append(pool.submit(save, one.row(picture.size, shared), picture))
                while pending and (pending[0].done() or len(pending) > 4 * (2 + workers)):
                    pending.popleft().result()
                    count += 1
                    bar.update()
            while pending:
                pending.popleft().result()
                count += 1
                bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return count


class Ready(NamedTuple):
    """A job with everything the networks need.

    Attributes:
        job: What is to be made.
        pixels: The content, ``H x W x 3``, uint8.
        size: The content's width and height in its file, turned upright.
        style, statistics: The style's name and statistics.
    """

    job: Job
    pixels: np.ndarray
    size: tuple[int, int]
    style: str
    statistics: Statistics

    def row(self, output_size: tuple[int, int], shared: Mapping[str, Any]) -> dict[str, Any]:
        """Return the manifest's row for the picture made of it. ``shared`` is what all rows have in common."""
        return {
            "output": self.job.output,
            "content": self.job.content,
            "style": self.style,
            "copy": self.job.copy,
            **shared,
            "content_size": self.size,
            "output_size": output_size,
        }


def _styled(reads: Iterable[Read], painter: Painter, manifest: Manifest, bar: Bar) -> Iterator[Ready]:
    """Yield what was read, with statistics; unreadable files are listed and left out."""
    known: dict[int, tuple[str, Statistics]] = {}
    for read in reads:
        job = read.request.job
        if read.style is not None:
            known[job.style] = read.style.name, painter.encode(read.style)
            for name, reason in read.style.skipped:
                manifest.unreadable("style", name, reason)
        name, statistics = known[job.style]
        if read.request.forget is not None:
            del known[read.request.forget]
        if read.pixels is None:
            manifest.unreadable("content", job.content, read.reason)
            bar.update()
        else:
            yield Ready(job, read.pixels, read.size, name, statistics)


def requests(jobs: Iterable[Job], cached_styles: int) -> Iterator[Request]:
    """Request a style only when the model does not have it, and let it forget the least recently used one.

    What the model will have by then is known when a request is made: answers come in the order of requests.
    """
    recent: OrderedDict[int, None] = OrderedDict()
    for job in jobs:
        held = job.style in recent
        recent[job.style] = None
        recent.move_to_end(job.style)
        forget = recent.popitem(last=False)[0] if len(recent) > cached_styles else None
        yield Request(job, not held, forget)


def batches(ready: Iterable[Ready], batch_size: int) -> Iterator[list[Ready]]:
    """Yield groups of one size. Large pictures come alone; the fullest group goes early where too many pictures wait."""
    groups: dict[tuple[int, ...], list[Ready]] = {}
    for one in ready:
        shape = one.pixels.shape
        if batch_size == 1 or shape[0] * shape[1] > _BATCHED_PIXELS:
            yield [one]
            continue
        group = groups.setdefault(shape, [])
        group.append(one)
        if len(group) == batch_size:
            yield groups.pop(shape)
        elif sum(map(len, groups.values())) >= _WAITING_BATCHES * batch_size:
            yield groups.pop(max(groups, key=lambda key: len(groups[key])))
    yield from groups.values()


def _as_it_is(read: Read) -> Read:
    return read


def _leave_interrupts_to_the_parent(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
