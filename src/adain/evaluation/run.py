"""The loop of an evaluation: pictures in, one row of figures a pair out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from adain.data.picture import PictureError, read_picture, resize_short_side, to_picture, to_tensor, to_unit
from adain.evaluation.pairs import Pair
from adain.evaluation.store import EvaluationStore, Row
from adain.metrics.feature_cache import Features, observe, stack
from adain.metrics.frechet import artfid, frechet_distance
from adain.metrics.metric_suite import MetricSuite, features_of
from adain.nn.encoder import Encoder
from adain.runtime.errors import InputError
from adain.runtime.progress import Bar

_KEPT = 24  # pictures whose features are remembered: about 8 MB each at 256 px
_MOST_NAMED = 10  # unreadable pictures in one message
_THUMB = 160  # pixels


class System(Protocol):
    """What is asked of a system of style transfer."""

    def stylize(self, content: Tensor, style: Tensor, alpha: float = 1.0) -> Tensor:
        """See ``methods``."""
        ...


@dataclass(frozen=True)
class Frame:
    """How pictures are brought to one size.

    Attributes:
        size: Length of the short side, in pixels, aspect kept.
        crop: Whether the central square of it is taken.
    """

    size: int
    crop: bool

    def read(self, path: Path) -> Image.Image:
        """A picture so framed.

        Raises:
            InputError: If it cannot be read.
        """
        try:
            picture = read_picture(path, self.size)
        except PictureError as error:
            raise InputError(f"{path} cannot be used ({error}): take it out, or mend it") from None
        return self.cut(picture)

    def cut(self, picture: Image.Image) -> Image.Image:
        """The central square, if that is wanted."""
        if not self.crop:
            return picture
        x, y = (picture.width - self.size) // 2, (picture.height - self.size) // 2
        return picture.crop((x, y, x + self.size, y + self.size))


def check_readable(pairs: list[Pair], silent: bool = False) -> None:
    """Decodes every picture once, whole, before any work is done.

    Raises:
        InputError: If some are no pictures, all of them named, or an output has another shape than its content.
    """
    files = list(
        dict.fromkeys(p for pair in pairs for p in (pair.content_path, pair.style_path, pair.output_path) if p)
    )
    ratios: dict[Path, tuple[int, int]] = {}
    bad: list[str] = []
    for path in Bar(files, desc="checking pictures", unit="picture", leave=False, disable=silent):
        try:
            picture = read_picture(path, min_side=16)
        except PictureError as error:
            bad.append(f"{path} ({error})")
            continue
        ratios[path] = picture.size
    if bad:
        more = f" and {len(bad) - _MOST_NAMED} more" if len(bad) > _MOST_NAMED else ""
        raise InputError(
            f"{', '.join(bad[:_MOST_NAMED])}{more} cannot be used: take out what is no picture, or mend it"
        )
    for pair in pairs:
        if pair.output_path is None:
            continue
        (w, h), (ow, oh) = ratios[pair.content_path], ratios[pair.output_path]
        if abs(w * oh - ow * h) > 8 * max(w, h, ow, oh):  # the ports' outputs are up to 7 pixels larger
            raise InputError(
                f"{pair.output_path} is {ow} x {oh}, but its content {pair.content_path} is {w} x {h}: "
                "give outputs of the whole content picture"
            )


class Gallery:
    """Framed pictures and their features, the last few kept: in a cross of folders each is used again and again."""

    def __init__(self, encoder: Encoder, frame: Frame, device: torch.device) -> None:
        self.encoder, self.frame, self.device = encoder, frame, device
        self._kept: OrderedDict[Path, tuple[Tensor, Features]] = OrderedDict()

    def __call__(self, path: Path) -> tuple[Tensor, Features]:
        """``1 x 3 x H x W`` on the device, and what the encoder sees in it."""
        if path not in self._kept:
            picture = to_unit(to_tensor(self.frame.read(path)))[None].to(self.device)
            self._kept[path] = (picture, observe(self.encoder, picture))
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(path)
        return self._kept[path]


def measure(
    pairs: list[Pair],
    store: EvaluationStore,
    suite: MetricSuite,
    gallery: Gallery,
    system: Callable[[], System] | None,
    alpha: float,
    batch_size: int,
    world: int = 1,
    save_outputs: bool = False,
) -> None:
    """Measures every pair that the store has not, batch by batch, and keeps each batch at once.

    Args:
        pairs: All of them; a row's index is the place here.
        store: Opened.
        suite: The metrics.
        gallery: Reads contents and styles.
        system: Makes the system that makes the outputs; None where pairs bring theirs.
        alpha: For the system.
        batch_size: Pairs at a time, where their pictures are of one size.
        world: Processes that share the work; this one is the store's rank.
        save_outputs: Whether outputs are written to ``outputs/`` as PNG.
    """
    done = store.rows()
    left = [index for index in range(len(pairs)) if index not in done]
    mine = [left[start : start + batch_size] for start in range(0, len(left), batch_size)][store.rank :: world]
    if not mine:
        return
    maker = system() if system is not None else None
    with Bar(
        total=sum(map(len, mine)) + (len(done) if world == 1 else 0), initial=len(done) if world == 1 else 0,
        desc="evaluating", unit="pair", disable=store.rank > 0, smoothing=0.1,
    ) as bar:  # fmt: skip
        for batch in mine:
            for group in _of_one_size(batch, pairs, gallery):
                _measure_batch(group, pairs, store, suite, gallery, maker, alpha, save_outputs)
                bar.update(len(group))


def _of_one_size(batch: list[int], pairs: list[Pair], gallery: Gallery) -> list[list[int]]:
    if gallery.frame.crop:
        return [batch]
    groups: dict[Any, list[int]] = {}
    for index in batch:
        shapes = gallery(pairs[index].content_path)[0].shape, gallery(pairs[index].style_path)[0].shape
        groups.setdefault(shapes, []).append(index)
    return list(groups.values())


@torch.inference_mode()
def _measure_batch(
    batch: list[int], pairs: list[Pair], store: EvaluationStore, suite: MetricSuite, gallery: Gallery, maker: System | None,
    alpha: float, save_outputs: bool,
) -> None:  # fmt: skip
    chosen = [pairs[index] for index in batch]
    contents, styles = ([gallery(path) for path in paths] for paths in zip(*[p[2:4] for p in chosen], strict=True))
    content, style = torch.cat([c for c, _ in contents]), torch.cat([s for s, _ in styles])
    if maker is None:
        output = torch.cat([_finished(pair, gallery.frame, content.shape, content.device) for pair in chosen])
    else:
        same = all(pair.style_path == chosen[0].style_path for pair in chosen)
        output = maker.stylize(content, style[:1] if same else style, alpha)
    suite.features.remember(content, stack([features for _, features in contents]))
    suite.features.remember(style, stack([features for _, features in styles]))
    suite.features(output)
    figures = {name: metric.per_pair(output, content, style).tolist() for name, metric in suite.pair.items()}
    features = {name: extract(output).float().cpu().numpy() for name, extract in suite.sets.items()}
    rows: list[Row] = []
    for place, (index, pair) in enumerate(zip(batch, chosen, strict=True)):
        picture = to_picture(output[place])
        _thumb(picture).save(store.folder / "thumbs" / f"{index:07d}.jpg", quality=85)
        if save_outputs:
            folder = store.folder / "outputs"
            folder.mkdir(exist_ok=True)
            picture.save(folder / f"{pair.content_path.stem}_{pair.style_path.stem}.png")
        row: Row = {"index": index, "content": pair.content, "style": pair.style}
        rows.append(row | {name: values[place] for name, values in figures.items()})
    store.append(rows, features)


def _finished(pair: Pair, frame: Frame, shape: torch.Size, device: torch.device) -> Tensor:
    assert pair.output_path is not None
    try:
        picture = resize_short_side(read_picture(pair.output_path), frame.size)
    except PictureError as error:
        raise InputError(f"{pair.output_path} cannot be used ({error}): make it anew") from None
    if not frame.crop:
        picture = picture.resize((shape[-1], shape[-2]), Image.Resampling.BICUBIC)
    return to_unit(to_tensor(frame.cut(picture)))[None].to(device)


def _thumb(picture: Image.Image) -> Image.Image:
    small = picture.copy()
    small.thumbnail((_THUMB, _THUMB))
    return small


@torch.inference_mode()
def set_figures(
    pairs: list[Pair],
    store: EvaluationStore,
    suite: MetricSuite,
    gallery: Gallery,
    means: Mapping[str, float],
    artfid_wanted: bool,
) -> dict[str, float]:
    """The figures that belong to all outputs together: Frechet distances to the distinct styles, and ArtFID.

    Args:
        pairs: All of them, each measured.
        store: Holds the outputs' features.
        suite: Extracts the styles'.
        gallery: Reads them.
        means: Of the figures of pairs; ArtFID needs ``lpips``.
        artfid_wanted: Whether it is among the metrics.
    """
    found: dict[str, float] = {}
    styles = list(dict.fromkeys(pair.style_path for pair in pairs))
    for name, extract in suite.sets.items():
        # this process has the features of all ranks, and the others are no longer there to be asked for theirs
        metric = frechet_distance(features_of(name, gallery.encoder), sync_on_compute=False)
        kept = store.features(name)
        if len(kept) < 2 or len(styles) < 2:
            continue
        for path in styles:
            metric.update(extract(gallery(path)[0]).cpu(), real=True)
        metric.update(torch.from_numpy(np.stack([kept[index] for index in sorted(kept)])), real=False)
        found[name] = max(float(metric.compute()), 0.0)
    if artfid_wanted and "fid" in found and "lpips" in means:
        found["artfid"] = float(artfid(means["lpips"], found["fid"]))
    return found
