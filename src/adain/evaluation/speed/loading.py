"""Loading, measured: pictures per second of one core, and how long a training step waits for its pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from adain.data.loader_speed import seconds_per_batch
from adain.data.pairs import Framing, StyleTransferDataModule
from adain.data.picture import PictureError, decode_picture, to_unit
from adain.data.sources import FolderSource
from adain.evaluation.speed.clock import interleave, ratio, timings
from adain.evaluation.store import Row
from adain.runtime.errors import InputError

PLAIN = "Resize((512, 512)), RandomCrop, ToTensor"
"""The reference port's transform, out of torchvision's own parts: the aspect is squashed, JPEGs are decoded whole."""


def our_loader(resize: int, crop: int) -> Callable[[Path], Tensor]:
    """Return what a worker does for a training picture, and what the device does with it."""
    framing, random = Framing(resize, crop, 0.0), np.random.default_rng(0)
    return lambda path: to_unit(framing(decode_picture(path, resize, own_colors=True), random, flip=False))


def plain_loader(resize: int, crop: int) -> Callable[[Path], Tensor]:
    """Return what the reference port does. Both give ``3 x crop x crop``, float32 in [0, 1]."""
    from torchvision import transforms

    transform = transforms.Compose(
        [transforms.Resize((resize, resize)), transforms.RandomCrop(crop), transforms.ToTensor()]
    )

    def load(path: Path) -> Tensor:
        with Image.open(path) as picture:
            tensor: Tensor = transform(picture.convert("RGB"))
        return tensor

    return load


def readable(folder: Path, count: int, resize: int) -> list[Path]:
    """Return a folder's first pictures, without those that cannot be read.

    Raises:
        InputError: If none can be read.
    """
    source, paths = FolderSource(str(folder)), list[Path]()
    for name in source.names:
        with suppress(PictureError):
            source.read(name, resize)
            paths.append(Path(name))
        if len(paths) == count:
            break
    if not paths:
        raise InputError(f"the folder {folder} holds no picture that can be read: check the folder")
    return paths


def measure_loading(paths: Sequence[Path], resize: int, crop: int, repeats: int) -> list[Row]:
    """Time both loaders over the same pictures in one thread, in turns.

    Args:
        paths: Readable pictures. The files are in the system's cache after the warm-up: the disk is not measured.
        resize: As in training, in pixels.
        crop: The same.
        repeats: Rounds over all of them.
    """
    loaders = {"ours": our_loader(resize, crop), PLAIN: plain_loader(resize, crop)}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker
    try:
        stages = {name: [("load", lambda load=load: [load(p) for p in paths])] for name, load in loaders.items()}
        times = interleave(stages, repeats, torch.device("cpu"))
    finally:
        torch.set_num_threads(threads)
    rows: list[Row] = []
    for name in loaders:
        row: Row = {"work": "load", "size": crop, "batch": 1, "contestant": name, "stage": "load"}
        row |= timings([seconds / len(paths) for seconds in times[name]["load"]])
        row["per_second"] = 1 / row["median_s"]
        if name == "ours":
            row |= ratio(times[PLAIN]["load"], times[name]["load"]).columns("against_port")
        rows.append(row)
    return rows


def measure_waiting(
    content: Path, style: Path, step: Callable[[Tensor, Tensor], object], batch: int, resize: int, crop: int,
    workers: int, steps: int,
) -> list[Row]:  # fmt: skip
    """Measure what the real loader delivers of two folders, and how much of its time a training step waits for it.

    Args:
        content: A folder of pictures.
        style: Another.
        step: Trains on a batch.
        batch: Pairs.
        resize: As in training, in pixels.
        crop: The same.
        workers: Loader processes.
        steps: How many to measure, after two of warm-up.

    Returns:
        Two rows; ``per_second`` of the first are pairs per second of all workers.
    """
    module = StyleTransferDataModule(
        FolderSource(str(content)), FolderSource(str(style)), batch, resize, crop, 0.5, crop, 1, workers, seed=0
    )
    module.setup()
    batches = iter(module.train_dataloader())
    pair = seconds_per_batch(batches, workers) / batch
    shared: Row = {"work": "load", "size": crop, "batch": batch, "contestant": f"ours, {workers} workers"}
    waited, whole = [], []
    for turn in range(steps + 2):
        start = time.perf_counter()
        found = next(batches)
        ready = time.perf_counter()
        step(to_unit(found["content"]), to_unit(found["style"]))
        if turn > 1:
            waited.append(ready - start)
            whole.append(time.perf_counter() - start)
    del batches  # ends the workers
    return [
        {**shared, "stage": "a pair, loader alone", **timings([pair]), "per_second": 1 / pair},
        {**shared, "stage": "waiting in a step", **timings(waited), "waited": sum(waited) / sum(whole)},
    ]
