"""What ``make stylize-dataset`` does: checks a request, plans its shard and runs it on one machine or on Ray."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from adain.inference.dataset.plan import Job, Plan, list_styles
from adain.runtime.errors import UserError
from adain.runtime.files import expanded
from adain.runtime.schema import Arithmetic
from adain.training.checkpoints import resolve_checkpoint

if TYPE_CHECKING:
    from adain.inference.dataset.manifest import Manifest

_DECIDING = (
    "alpha", "seed", "styles_per_picture", "shards", "size", "crop", "style_size", "format", "quality", "precision",
)  # fmt: skip
"""Keys that decide the pictures, beside the styles and the decoder."""


@dataclass(frozen=True, kw_only=True)
class DatasetRequest:
    """What is asked for, as typed. ``conf/inference/stylize_dataset.yaml`` explains each key."""

    content: str
    style: str
    out: str
    decoder: str | None
    alpha: float
    seed: int
    styles_per_picture: int
    shards: int
    shard: int
    size: int | None
    crop: int | None
    style_size: int | None
    max_pixels: int
    format: str
    quality: int
    engine: str
    batch_size: int | None
    precision: Arithmetic
    workers: int | None
    cached_styles: int
    ray: Mapping[str, Any]
    logs: str

    def folder(self, key: str) -> Path:
        """Return the folder that ``content``, ``style`` or ``out`` names."""
        return expanded(str(getattr(self, key)))


class DatasetReport(NamedTuple):
    """What became of a request.

    Attributes:
        made: Pictures made now.
        before: Pictures of the shard that were there already.
        seconds: That making them took.
        skipped: How many unreadable files were skipped, by kind: ``content`` and ``style``.
        manifest: The file that says what came from what.
        unreadable: The file that lists what was skipped.
    """

    made: int
    before: int
    seconds: float
    skipped: Counter[str]
    manifest: Path
    unreadable: Path


def stylize_dataset(request: DatasetRequest) -> DatasetReport:
    """Make the pictures of a shard that are not there yet.

    Raises:
        UserError: If something cannot be used, read or written.
    """
    _check(request)
    content, style, out = (request.folder(key) for key in ("content", "style", "out"))
    names, style_digest = list_styles(style, out)
    if request.styles_per_picture > len(names):
        raise UserError(
            f"styles_per_picture={request.styles_per_picture} is more than the {len(names)} pictures in style={style}"
        )
    plan = Plan(
        content,
        len(names),
        request.seed,
        request.styles_per_picture,
        request.format,
        request.shard,
        request.shards,
        out,
    )
    contents, total = plan.survey()  # also finds names that would collide
    if contents == 0:
        raise UserError(f"content={content} holds no picture: give a folder of pictures")
    resolved = resolve_checkpoint(request.decoder, Path(request.logs))
    resolved.announce()
    decoder = resolved.source

    from adain.inference.dataset.local import decoder_digest  # torch is imported from here on
    from adain.inference.dataset.manifest import Manifest
    from adain.runtime.device import find_device
    from adain.runtime.precision import inference_precision

    # decided and recorded here: workers and later shards on other machines make the same pictures, or are refused
    request = replace(request, precision=inference_precision(find_device(None), request.precision))
    digest = decoder_digest(decoder)
    settings: dict[str, Any] = {
        "content": str(content.resolve()),
        "style": {"name": str(style), "sha256": style_digest},
        "decoder": {"name": decoder, "sha256": digest},
        **{key: getattr(request, key) for key in _DECIDING},
    }
    with Manifest(out, settings, request.shard, request.shards) as manifest:
        before, start = len(manifest), time.perf_counter()
        todo = (job for job in plan.jobs() if not manifest.has(job.output))
        made = 0
        if (first := next(todo, None)) is not None:  # nothing is loaded for a shard that is done
            shared = {"seed": request.seed, "alpha": request.alpha, "decoder": digest[:16]}
            try:
                made = _make(request, chain([first], todo), names, manifest, shared, decoder, total)
            except (KeyboardInterrupt, SystemExit):
                print("nothing is lost: the same command makes the pictures that are missing", file=sys.stderr)
                raise
        skipped = Counter(kind for kind, _ in manifest.skipped)
        return DatasetReport(
            made, before, time.perf_counter() - start, skipped, manifest.path, manifest.unreadable_path
        )


def _make(
    request: DatasetRequest,
    jobs: Iterator[Job],
    names: list[str],
    manifest: Manifest,
    shared: dict[str, Any],
    decoder: str,
    total: int,
) -> int:
    """Run the engine under a progress bar; return how many pictures were made."""
    import torch

    from adain.inference.dataset import local
    from adain.runtime.memory import keep_freed_memory
    from adain.runtime.progress import Bar

    content, style = (request.folder(key).resolve() for key in ("content", "style"))
    reader = local.Reader(content, style, names, request.size, request.crop, request.style_size, request.max_pixels)
    gpu = torch.cuda.is_available()
    options: dict[str, Any] = {
        "batch_size": request.batch_size or (8 if gpu else 1),
        "cached_styles": request.cached_styles,
        "quality": request.quality,
    }
    on_this_machine = request.engine == "local"
    if on_this_machine:
        keep_freed_memory()
        painter = local.Painter(decoder, request.alpha, precision=request.precision)
    with Bar(total=total, initial=len(manifest), unit="picture", desc="stylizing", smoothing=0.05) as bar:
        if on_this_machine:
            workers = request.workers if request.workers is not None else min(8, os.cpu_count() or 1) if gpu else 1
            return local.stylize(jobs, reader, painter, manifest, bar, shared, workers=workers, **options)
        from adain.inference.dataset import cluster

        path = expanded(decoder)
        there = str(path.resolve()) if path.exists() else decoder
        options |= {"precision": request.precision, **request.ray}  # its keys are the arguments' names
        return cluster.stylize(jobs, reader, manifest, bar, shared, there, **options)


def _check(request: DatasetRequest) -> None:
    """Check what ``schema.KEYS`` cannot say, before anything is read.

    Raises:
        UserError: At the first value that cannot be used.
    """
    for key in ("content", "style", "out"):
        if getattr(request, key) is None:
            raise UserError(f"{key}=null cannot be used: give a folder")
    out = request.folder("out")
    for key in ("content", "style"):
        path = request.folder(key)
        if not path.is_dir():
            raise UserError(f"{key}={path} is not a folder: give a folder of pictures")
        inner, outer = sorted((path.resolve(), out.resolve()), key=lambda p: len(p.parts), reverse=True)
        if inner == outer:
            raise UserError(f"out={out} is the {key} folder: give another, new folder")
        if inner.is_relative_to(outer):
            lies = "inside" if inner == out.resolve() else "around"
            raise UserError(f"out={out} lies {lies} the {key} folder {path}: give a folder apart from it")
    if out.exists() and not out.is_dir():
        raise UserError(f"out={out} is a file: give a folder")
    if request.shard >= request.shards:
        raise UserError(f"shard={request.shard} is not allowed: shards={request.shards} has 0 to {request.shards - 1}")
    if request.crop is not None and (request.size is None or request.crop > request.size):
        raise UserError(
            f"crop={request.crop} needs contents at least as large: give size={request.crop} or more with it"
        )
