"""The pairing LightningDataModule: combines content and style pictures, of any numbers, into one endless seeded stream."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from typing import Any, NamedTuple, TypedDict

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from adain.data.picture import PictureError, crop_resized, resize_short_side, resized, to_rgb, to_tensor, to_unit
from adain.data.sources import IndexedSource, Place, Source
from adain.runtime.errors import InputError
from adain.runtime.findings import cores
from adain.runtime.signals import STOPPING

_CONTENT, _STYLE, _CROP = 0, 1, 2  # one random stream for each, so that they share no random numbers


class Batch(TypedDict):
    """A batch of pairs.

    ``content`` and ``style`` are RGB, ``N x 3 x H x W``: uint8 from the loader workers, float32 in [0, 1] on the device.
    ``skipped`` has a line for every unreadable picture skipped while the batch was loaded.
    """

    content: Tensor
    style: Tensor
    content_name: list[str]
    style_name: list[str]
    skipped: list[str]


class Framing(NamedTuple):
    """How training pictures are resized, cropped and flipped.

    Attributes:
        resize: Length of the short side before the crop, in pixels; the aspect ratio is kept.
        crop: Side of the random square crop, in pixels.
        flip: Probability of flipping a content picture left to right. Styles are not flipped: brush strokes and
            lettering have a direction.
        style_zoom: A style's short side is drawn between ``resize`` and this many times as much, evenly on a logarithmic
            scale, so that one brush is seen at several sizes.
    """

    resize: int
    crop: int
    flip: float
    style_zoom: float = 1.0

    @property
    def style_side(self) -> int:
        """Return the longest short side that a style is resized to."""
        return round(self.resize * self.style_zoom)

    def of_style(self, picture: Image.Image, random: np.random.Generator) -> Tensor:
        """Return a random crop of a style of any size, ``3 x crop x crop``, uint8."""
        framing = self
        if self.style_zoom > 1:  # else no random number is used: pairs stay those of a run without it
            framing = self._replace(resize=round(self.resize * self.style_zoom ** random.random()))
        return framing(picture, random, flip=False)

    def __call__(self, picture: Image.Image, random: np.random.Generator, flip: bool) -> Tensor:
        """Return a random crop of a picture of any size, ``3 x crop x crop``, uint8."""
        width, height = resized(picture.size, self.resize)
        x = int(random.integers(width - self.crop + 1))
        y = int(random.integers(height - self.crop + 1))
        pixels = to_tensor(to_rgb(crop_resized(picture, self.resize, x, y, self.crop)))
        return pixels.flip(2) if flip and random.random() < self.flip else pixels


class PairStream(IterableDataset[dict[str, Any]]):
    """Endless pairs of random crops. Pair k of a run does not depend on ranks, workers or interruptions.

    Args:
        content, style: The sources.
        framing: Resize, crop and flip.
        seed: Seed of the whole run.
        place: Rank, world size, batch size and first batch; the worker fields are filled in here.
    """

    def __init__(self, content: Source, style: Source, framing: Framing, seed: int, place: Place) -> None:
        self.content, self.style, self.framing, self.seed, self.place = content, style, framing, seed, place

    def __iter__(self) -> Iterator[dict[str, Any]]:
        info = get_worker_info()
        place = self.place if info is None else self.place._replace(worker=info.id, workers=info.num_workers)
        contents = self.content.open(_seed(self.seed, _CONTENT), place, self.framing.resize)
        styles = self.style.open(_seed(self.seed, _STYLE), place, self.framing.style_side)
        for number, content, style in zip(place.numbers(), contents, styles, strict=False):
            random = np.random.default_rng([self.seed, _CROP, number])
            yield {
                "content": self.framing(content.picture, random, flip=True),
                "style": self.framing.of_style(style.picture, random),
                "content_name": content.name,
                "style_name": style.name,
                "skipped": [*content.skipped, *style.skipped],
            }


def _seed(seed: int, stream: int) -> int:
    return int(np.random.SeedSequence([seed, stream]).generate_state(1)[0])


class HeldOutPairs(Dataset[dict[str, Any]]):
    """Fixed pairs for validation: the i-th content with the i-th style, repeating both lists as needed.

    Args:
        content, style: Held-out pictures.
        count: Number of pairs.
        size: Side of the squares, in pixels: the short side is resized to it, then the center is cropped.
    """

    def __init__(self, content: IndexedSource, style: IndexedSource, count: int, size: int) -> None:
        self.content, self.style, self.size = content, style, size
        self.names = [(content.names[i % len(content)], style.names[i % len(style)]) for i in range(count)]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        content, style = self.names[index]
        return {
            "content": self._center(self.content, content),
            "style": self._center(self.style, style),
            "content_name": content,
            "style_name": style,
            "skipped": [] if index else [*self.content.skipped, *self.style.skipped],
        }

    def _center(self, source: IndexedSource, name: str) -> Tensor:
        try:
            picture = resize_short_side(to_rgb(source.read(name, self.size)), self.size)
        except PictureError as error:
            raise InputError(
                f"the held-out picture {name} cannot be read ({error}): remove it from the folder"
            ) from None
        x, y = (picture.width - self.size) // 2, (picture.height - self.size) // 2
        return to_tensor(picture.crop((x, y, x + self.size, y + self.size)))


def collate(samples: list[dict[str, Any]]) -> Batch:
    """Stack the pictures of samples and list their names.

    Contents and styles lie one behind the other in memory: a worker then hands over one block, not two.
    """
    pixels = torch.stack([sample[kind] for kind in ("content", "style") for sample in samples])
    return Batch(
        content=pixels[: len(samples)],
        style=pixels[len(samples) :],
        content_name=[sample["content_name"] for sample in samples],
        style_name=[sample["style_name"] for sample in samples],
        skipped=[line for sample in samples for line in sample["skipped"]],
    )


def _leave_signals_to_the_parent(worker: int) -> None:
    """Ignore the signals that stop a training in a worker.

    They reach the whole process group, but the training step in progress still needs its workers.
    """
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _start_method() -> str | None:
    """Return the start method for loader processes: Python's default, since DataLoader does not know joblib's."""
    usual = multiprocessing.get_all_start_methods()
    return None if multiprocessing.get_start_method(allow_none=True) in (None, *usual) else usual[0]


def default_workers() -> int:
    """Return how many processes load for a rank: on a CPU 2, for the step needs the cores; beside a GPU its share of them."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return max(2, min(16, cores() // gpus - 1)) if gpus else 2


class StyleTransferDataModule(pl.LightningDataModule):
    """Pair a content and a style source for training, and hold out fixed pairs for validation.

    Args:
        content, style: Sources of any size.
        batch_size: Pairs per process and step.
        resize: Short side of training pictures before the crop, in pixels.
        crop: Side of the random square crop, in pixels; at most ``resize``.
        flip: Probability of flipping a content picture left to right.
        val_size: Side of the validation squares, in pixels.
        val_pairs: Number of validation pairs, and the most pictures of each source that are held out.
        num_workers: Loader processes per rank; 0 loads in the training process. None: see ``default_workers``.
        seed: Seed of the order, the pairing, the crops and the flips.
        style_zoom: See ``Framing``; at least 1.

    Raises:
        InputError: If ``crop`` is larger than ``resize``, ``crop`` or ``val_size`` is below 16, or ``style_zoom`` below 1.
    """

    def __init__(
        self,
        content: Source,
        style: Source,
        batch_size: int,
        resize: int,
        crop: int,
        flip: float,
        val_size: int,
        val_pairs: int,
        num_workers: int | None,
        seed: int,
        style_zoom: float = 1.0,
    ) -> None:
        super().__init__()
        if crop > resize:
            raise InputError(f"crop={crop} is larger than resize={resize}: a crop must fit the short side")
        if min(crop, val_size) < 16:
            raise InputError(f"crop={crop} and val_size={val_size} must be at least 16 pixels")
        if not 1 <= style_zoom < float("inf"):
            raise InputError(f"style_zoom={style_zoom} is not allowed: give at least 1, which leaves styles at resize")
        self.num_workers = default_workers() if num_workers is None else num_workers
        self.batch_size, self.seed = batch_size, seed
        self.framing, self.val_size, self.val_pairs = Framing(resize, crop, flip, style_zoom), val_size, val_pairs
        self.content, self.style = content, style
        self._resumed_at = (0, 0)  # pairs of all ranks, optimizer steps
        self._ready = False

    def setup(self, stage: str | None = None) -> None:
        """Split both sources, once. Every rank gets the same lists."""
        if self._ready:
            return
        self.train_content, val_content = self.content.split(self.val_pairs)
        self.train_style, val_style = self.style.split(self.val_pairs)
        self.held_out = HeldOutPairs(val_content, val_style, self.val_pairs, self.val_size)
        self._ready = True

    def stream(self, seed: int, place: Place, framing: Framing | None = None) -> PairStream:
        """Return the training pairs from a place on."""
        return PairStream(self.train_content, self.train_style, framing or self.framing, seed, place)

    def sample_crops(self, count: int) -> tuple[Tensor, Tensor]:
        """Some training crops outside the stream's order, for starting a decoder.

        Returns:
            Contents and styles, ``count x 3 x crop x crop`` each, float32 in [0, 1]. The same ones for the same seed.
        """
        self.setup()
        stream = self.stream(_seed(self.seed, 3), Place(batch_size=count))
        batch = collate([pair for pair, _ in zip(stream, range(count), strict=False)])
        return to_unit(batch["content"]), to_unit(batch["style"])

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return an endless loader that starts with the first pair not yet trained on."""
        trainer = self.trainer
        rank, world = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        first = self._resumed_at[0] // (self.batch_size * world)
        place = Place(rank=rank, world=world, batch_size=self.batch_size, first=first)
        return self._loader(self.stream(self.seed, place), self.num_workers)

    def val_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return a loader of the held-out pairs, in order."""
        self.setup()
        return self._loader(self.held_out, 0)

    def _loader(self, dataset: Dataset[dict[str, Any]], workers: int) -> DataLoader[dict[str, Any]]:
        return DataLoader(
            dataset,
            batch_size=self.batch_size,
            num_workers=workers,
            collate_fn=collate,
            persistent_workers=workers > 0,
            multiprocessing_context=_start_method() if workers > 0 else None,
            prefetch_factor=2 if workers > 0 else None,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_leave_signals_to_the_parent,
        )

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Convert uint8 to float32 in [0, 1] on the device, which spares the transfer of floats."""
        if batch["content"].dtype == torch.uint8:
            batch["content"], batch["style"] = to_unit(batch["content"]), to_unit(batch["style"])
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return the position of both streams: the pairs of all finished optimizer steps, without prefetched ones."""
        assert self.trainer is not None
        pairs, step = self._resumed_at
        per_step = self.batch_size * self.trainer.world_size * self.trainer.accumulate_grad_batches
        now = self.trainer.global_step
        return {"pairs": pairs + (now - step) * per_step, "step": now, "seed": self.seed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue both streams at the checkpoint's position.

        Raises:
            InputError: If the checkpoint has another seed.
        """
        if state_dict["seed"] != self.seed:
            raise InputError(
                f"the checkpoint was trained with seed={state_dict['seed']}, but seed={self.seed} is given: resume with "
                "the same seed, or load its decoder alone into a new run"
            )
        self._resumed_at = (state_dict["pairs"], state_dict["step"])
