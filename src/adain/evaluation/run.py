"""The loop of an evaluation: pictures in, one row of figures a pair out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from adain.data.picture import PictureError, read_picture, resize_short_side, to_picture, to_tensor, to_unit
from adain.evaluation.pairs import Pair, listed, output_stem
from adain.evaluation.store import EvaluationStore, Row
from adain.methods.adain import AdaINMethod
from adain.methods.interface import Method
from adain.metrics.feature_cache import FeatureCache
from adain.metrics.flicker import MOTIONS, frame_change, moving_views, warping_error
from adain.metrics.frechet import frechet_distance
from adain.metrics.metric_suite import MetricSuite, features_of
from adain.runtime.errors import InputError
from adain.runtime.files import fitting_name, replacing
from adain.runtime.precision import arithmetic, memory_format
from adain.runtime.progress import Bar
from adain.runtime.schema import Concrete, MetricProtocol, MotionName

_KEPT = 24  # pictures, as many as ``FeatureCache`` remembers features of
_THUMB = 160  # pixels
Maker = Callable[[Tensor, Tensor], Tensor]
"""Makes outputs of contents and styles."""


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
        """Return a picture so framed.

        Raises:
            InputError: If it cannot be read.
        """
        try:
            picture = read_picture(path, self.size)
        except PictureError as error:
            raise InputError(f"{path} cannot be used ({error}): remove or repair it") from None
        return self.cut(picture)

    def cut(self, picture: Image.Image) -> Image.Image:
        """Return the central square, if that is wanted."""
        if not self.crop:
            return picture
        x, y = (picture.width - self.size) // 2, (picture.height - self.size) // 2
        return picture.crop((x, y, x + self.size, y + self.size))


def check_readable(pairs: list[Pair], silent: bool = False) -> None:
    """Decode every picture once, whole, before any work is done.

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
            ratios[path] = read_picture(path, min_side=16).size
        except PictureError as error:
            bad.append(f"{path} ({error})")
    if bad:
        raise InputError(f"{listed(bad, 10)} cannot be used: remove files that are not pictures, and repair the others")
    for pair in pairs:
        if pair.output_path is None:
            continue
        (w, h), (ow, oh) = ratios[pair.content_path], ratios[pair.output_path]
        if abs(w * oh - ow * h) > 8 * max(w, h, ow, oh):  # the ports' outputs are up to 7 pixels larger
            raise InputError(
                f"{pair.output_path} is {ow} x {oh}, but its content {pair.content_path} is {w} x {h}: "
                "give outputs of the whole content picture"
            )


def as_batch(picture: Image.Image, device: torch.device) -> Tensor:
    """Return a picture on a device, ``1 x 3 x H x W``, RGB in [0, 1]."""
    return to_unit(to_tensor(picture))[None].to(device)


class Gallery:
    """Framed pictures, the last few kept: in a cross of folders each is used again and again."""

    def __init__(self, frame: Frame, device: torch.device) -> None:
        self.frame, self.device = frame, device
        self._read = lru_cache(_KEPT)(lambda path: as_batch(frame.read(path), device))

    def __call__(self, path: Path) -> Tensor:
        """Return ``1 x 3 x H x W`` on the device, the same tensor as long as it is kept."""
        return self._read(path)


def measure(
    pairs: list[Pair],
    store: EvaluationStore,
    suite: MetricSuite,
    gallery: Gallery,
    system: Callable[[], Method[Any]] | None,
    alpha: float,
    batch_size: int,
    world: int = 1,
    save_outputs: bool = False,
    protocol: MetricProtocol = "ours",
    precision: Concrete = "32-true",
    motion: Sequence[MotionName] = (),
) -> None:
    """Measure every pair that the store has not, batch by batch, and keep each batch at once.

    Args:
        pairs: All of them; a row's index is the place here.
        store: Opened.
        suite: The metrics.
        gallery: Reads contents and styles.
        system: Makes the system that makes the outputs; None where pairs bring theirs.
        alpha: For the system.
        batch_size: Pairs at a time, where their pictures are of one size.
        world: Processes that share the work; this one is the store's rank.
        save_outputs: Whether outputs are written to ``outputs/`` as PNG, those of measured pairs too.
        protocol: ``styleid`` measures outputs as a PNG file holds them, at 8 bits.
        precision: Of the arithmetic that makes outputs.
        motion: Moving views that are stylized too, for their flicker and warping error.
    """
    done = store.rows()
    if save_outputs:
        done = {index: row for index, row in done.items() if output_file(store.folder, pairs[index]).is_file()}
    left = [index for index in range(len(pairs)) if index not in done]
    mine = [left[start : start + batch_size] for start in range(0, len(left), batch_size)][store.rank :: world]
    if not mine:
        return
    make = _maker(system(), alpha, suite.features, precision, gallery.device) if system is not None else None
    with Bar(
        total=sum(map(len, mine)) + (len(done) if world == 1 else 0), initial=len(done) if world == 1 else 0,
        desc="evaluating", unit="pair", disable=store.rank > 0, smoothing=0.1,
    ) as bar:  # fmt: skip
        for batch in mine:
            for group in _of_one_size(batch, pairs, gallery):
                _measure_batch(group, pairs, store, suite, gallery, make, save_outputs, protocol == "styleid", motion)
                bar.update(len(group))


def output_file(folder: Path, pair: Pair) -> Path:
    """Return where ``save_outputs`` puts a pair's output in an evaluation's folder."""
    return folder / "outputs" / fitting_name([output_stem(pair)], ".png")


def _of_one_size(batch: list[int], pairs: list[Pair], gallery: Gallery) -> list[list[int]]:
    if gallery.frame.crop:
        return [batch]
    groups: dict[Any, list[int]] = {}
    for index in batch:
        shapes = gallery(pairs[index].content_path).shape, gallery(pairs[index].style_path).shape
        groups.setdefault(shapes, []).append(index)
    return list(groups.values())


def _maker(
    system: Method[Any], alpha: float, features: FeatureCache, precision: Concrete, device: torch.device
) -> Maker:
    """Return the system as a function. AdaIN encodes each content and each style once for all their pairs."""
    if not isinstance(system, AdaINMethod) or system.concat:
        make: Maker = partial(system.stylize, alpha=alpha)
    else:
        network = system.network.to(memory_format=memory_format(device, precision))
        features.networks |= {"content": network.encode, "style": network.encode_style}

        def make(content: Tensor, style: Tensor) -> Tensor:
            style_stats = features.of("style", style)
            return network.render(features.of("content", content), content.shape[-2:], [style_stats], alpha)

    def in_precision(content: Tensor, style: Tensor) -> Tensor:
        with arithmetic(device, precision):
            return make(content, style).float()

    return in_precision


@torch.inference_mode()
def _measure_batch(
    batch: list[int], pairs: list[Pair], store: EvaluationStore, suite: MetricSuite, gallery: Gallery, make: Maker | None,
    save_outputs: bool, eight_bits: bool, motion: Sequence[MotionName],
) -> None:  # fmt: skip
    chosen = [pairs[index] for index in batch]
    content = suite.features.join([gallery(pair.content_path) for pair in chosen])
    style = suite.features.join([gallery(pair.style_path) for pair in chosen])
    if make is None:
        output = torch.cat([_finished(pair, gallery.frame, content.shape, content.device) for pair in chosen])
    else:
        output = make(content, style)
    if eight_bits:
        output = (output * 255).round() / 255
    same_size = style
    if style.shape != content.shape:
        same_size = F.interpolate(style, content.shape[-2:], mode="bicubic", antialias=True).clamp(0, 1)
    figures = {
        of: {name: metric.per_pair(picture, content, style).tolist() for name, metric in suite.pair.items()}
        for of, picture in (("output", output), ("content", content), ("style", same_size))
    }
    features = {name: extract(output).float().cpu().numpy() for name, extract in suite.sets.items()}
    if make is not None:
        for name in motion:
            for of, found in _flicker(name, make, content, style, same_size).items():
                figures[of] |= found
    rows: list[Row] = []
    for place, (index, pair) in enumerate(zip(batch, chosen, strict=True)):
        picture = to_picture(output[place])
        if save_outputs:
            file = output_file(store.folder, pair)
            file.parent.mkdir(exist_ok=True)
            with replacing(file) as part:
                picture.save(part)
        picture.thumbnail((_THUMB, _THUMB))
        picture.save(store.folder / "thumbs" / f"{index:07d}.jpg", quality=85)
        one = {of: {name: values[place] for name, values in found.items()} for of, found in figures.items()}
        row: Row = {"index": index, "content": pair.content, "style": pair.style, **one.pop("output")}
        rows.append(row | {"controls": one})
    store.append(rows, features)


def _flicker(
    name: MotionName, make: Maker, content: Tensor, style: Tensor, still: Tensor
) -> dict[str, dict[str, list[float]]]:
    """Return flicker and warping error of each pair's moving views: of the outputs, and of the controls."""
    motion = MOTIONS[name]
    found: dict[str, dict[str, list[float]]] = {
        of: {f"flicker_{name}": [], f"warping_{name}": []} for of in ("output", "content", "style")
    }
    for index in range(len(content)):
        views = moving_views(content[index : index + 1], motion)
        height, width = views.shape[-2:]
        clips = {
            "output": make(views, style[index : index + 1]),
            "content": views,
            "style": still[index : index + 1, :, :height, :width].expand_as(views),
        }
        for of, frames in clips.items():
            found[of][f"flicker_{name}"].append(float(frame_change(frames).mean()))
            found[of][f"warping_{name}"].append(float(warping_error(frames, motion).mean()))
    return found


def _finished(pair: Pair, frame: Frame, shape: torch.Size, device: torch.device) -> Tensor:
    assert pair.output_path is not None
    try:
        picture = resize_short_side(read_picture(pair.output_path), frame.size)
    except PictureError as error:
        raise InputError(f"{pair.output_path} cannot be used ({error}): make it again") from None
    if not frame.crop:
        picture = picture.resize((shape[-1], shape[-2]), Image.Resampling.BICUBIC)
    return as_batch(frame.cut(picture), device)


@torch.inference_mode()
def set_figures(
    pairs: list[Pair], store: EvaluationStore, suite: MetricSuite, gallery: Gallery, protocol: MetricProtocol = "ours"
) -> dict[str, dict[str, float]]:
    """Return the Frechet distances to the styles: of all outputs together, and of the two controls in their place.

    The protocol ``ours`` takes each style once, ``styleid`` as often as it was used. The store holds the outputs' features.

    Returns:
        By ``output``, ``content`` and ``style``, then by the distance's name.
    """
    found: dict[str, dict[str, float]] = {"output": {}, "content": {}, "style": {}}
    for name, extract in suite.sets.items():
        kept = store.features(name)
        styles = [pair.style_path for pair in pairs]
        if len(kept) < 2 or len(set(styles)) < 2:
            continue
        contents = [pair.content_path for pair in pairs]
        seen = {path: extract(gallery(path)).float().cpu() for path in dict.fromkeys([*styles, *contents])}
        taken = {
            "output": torch.from_numpy(np.stack([kept[index] for index in sorted(kept)])),
            "content": torch.cat([seen[path] for path in contents]),
            "style": torch.cat([seen[path] for path in styles]),
        }
        references = torch.cat([seen[path] for path in (dict.fromkeys(styles) if protocol == "ours" else styles)])
        for of, features in taken.items():
            # this process has the features of all ranks, and the others are no longer there to be asked for theirs
            metric = frechet_distance(features_of(name, suite.features.encoder), sync_on_compute=False)
            metric.update(references, real=True)
            metric.update(features, real=False)
            found[of][name] = max(float(metric.compute()), 0.0)
    return found
