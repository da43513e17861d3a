"""The paper's figure 1: training pictures in three versions, and what they make of two texture networks.

Instance normalization helps a texture network more than batch normalization does. If it did so by evening out contrast,
the lead would go where all training pictures have one contrast already. If it evens out style, the lead goes where they
all have one style.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from adain.data.picture import to_picture
from adain.evaluation.paper.request import NORMS, VERSIONS, Version
from adain.evaluation.run import Frame, as_batch
from adain.evaluation.store import Row
from adain.methods.interface import Method
from adain.runtime.files import replacing
from adain.runtime.progress import Bar
from adain.runtime.schema import GeneratorNorm
from adain.training.curves import Points, training_curve

TITLES: dict[Version, str] = {
    "original": "original pictures",
    "contrast": "contrast-normalized",
    "style": "style-normalized",
}
"""Of the panels, as the paper has them."""


def equalize(picture: Image.Image) -> Image.Image:
    """Return an RGB picture with its luminance's histogram equalized: contrast-normalized, as the paper has it."""
    luminance, *chroma = picture.convert("YCbCr").split()
    return Image.merge("YCbCr", (ImageOps.equalize(luminance), *chroma)).convert("RGB")


def prepare(
    photographs: Sequence[Path], style: Path, size: int, method: Method[Any], folder: Path, device: torch.device
) -> None:
    """Write the training pictures in all three versions, each version in a folder of its name; made ones stay.

    Args:
        photographs: The central squares of these.
        style: That all style-normalized pictures are given, by ``method``.
        size: Their side in pixels.
        method: Takes any style.
        folder: Of the folders.
        device: Of the method.

    Raises:
        InputError: If one cannot be read.
    """
    frame = Frame(size, crop=True)
    encoded = None
    for index, path in enumerate(Bar(photographs, desc="training pictures of figure 1", unit="picture", leave=False)):
        files = {version: folder / version / f"{index:05d}.png" for version in VERSIONS}
        if all(file.exists() for file in files.values()):
            continue
        if encoded is None:
            encoded = method.encode_style(as_batch(frame.read(style), device))
        picture = frame.read(path)
        styled = method.stylize(as_batch(picture, device), encoded)
        made = {"original": picture, "contrast": equalize(picture), "style": to_picture(styled[0])}
        for version, file in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(file) as part:
                made[version].save(part, "PNG")


Losses = Mapping[tuple[GeneratorNorm, Version], Points]
"""Style loss by step, of the networks that have begun to train."""


def style_losses(folder: Path) -> dict[tuple[GeneratorNorm, Version], Points]:
    """Return the training style losses of the networks of figure 1, from a folder of their runs, ``<norm>_<version>``."""
    found = {
        (norm, version): training_curve(folder / f"{norm}_{version}", "train/style")
        for version in VERSIONS
        for norm in NORMS
    }
    return {key: points for key, points in found.items() if points}


def last_losses(losses: Losses) -> list[Row]:
    """Return for each version the mean style loss over the last tenth of both trainings, and how far apart they are.

    Returns:
        ``version``, ``steps``, ``instance``, ``batch``, and ``batch_over_instance``; no row where a training is missing.
    """
    rows = []
    for version in VERSIONS:
        points = {norm: losses[norm, version] for norm in NORMS if (norm, version) in losses}
        if len(points) < len(NORMS):
            continue
        last: dict[str, float] = {
            norm: float(np.mean([v for _, v in own[-max(1, len(own) // 10) :]])) for norm, own in points.items()
        }
        row: Row = {"version": version, "steps": int(points["batch"][-1][0]), **last}
        rows.append(row | {"batch_over_instance": last["batch"] / last["instance"]})
    return rows
