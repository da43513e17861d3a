"""The types of all values a user may type, each defined once. Signatures use them as annotations; the command line checks them.

Nothing heavy is imported here, so mistakes are reported before torch is loaded. A key below a ``_target_`` has the type
of that argument in the target's signature; all other keys are listed in ``KEYS``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict, get_args

from annotated_types import Ge, Gt, Le, Len, Lt

RENAMED = {"method": "model", "optim": "optimizer"}
"""Configuration groups of version 0.1 and their new names."""
OLD_NAMES = {"vgg19_normalised": "vgg19_normalized", "colour_distance": "color_distance"}
"""Names in files of version 0.1 and their new spelling."""
EncoderName = Literal["vgg19_normalized", "vgg19_torchvision"]
StyleReduction = Literal["mean", "sum"]
Schedule = Literal["constant", "inverse_time", "linear", "cosine"]
PreserveColor = Literal["none", "coral", "luminance"]
VIDEO_EXTENSIONS = frozenset(
    {
        ".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mjpeg",
        ".mjpg", ".mkv", ".mod", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm",
        ".rmvb", ".tod", ".ts", ".vob", ".webm", ".wmv", ".y4m",
    }
)  # fmt: skip
"""Suffixes of video files. In a folder, a ``.ts`` that is TypeScript is left out by its content."""
VIDEO_RESULTS = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
"""Suffixes that a stylized video may have."""
MethodName = Literal["adain", "gatys", "texture_network", "style_swap"]
READY_DECODERS = ("shipped", "reference")
"""Decoders that need no training; each name always means the same weights."""
Transfer = Literal["adain", "concat"]
Norm = Literal["none", "batch", "instance"]
GeneratorNorm = Literal["instance", "batch"]
StyleMeasure = Literal["gram", "statistics"]
PixelOptimizer = Literal["lbfgs", "adam"]
LpipsNetwork = Literal["alexnet", "vgg16"]
LossUnits = Literal["ours", "port", "lua", "stytr2"]
"""Whose content and style losses; see ``metrics/units.py``."""
MotionName = Literal["pan", "rotation"]
MetricName = Literal[
    "content_loss", "content_feature_loss", "style_loss_mean", "style_loss_sum", "gram_loss", "lpips", "lpips_vgg16",
    "ssim", "cfsd", "color_distance", "histogram_distance", "sifid", "frechet_vgg19", "fid", "artfid",
]  # fmt: skip
SET_METRICS: tuple[MetricName, ...] = ("frechet_vgg19", "fid", "artfid")
"""Metrics that give one value for all pairs together."""
PAIR_METRICS: tuple[MetricName, ...] = tuple(name for name in get_args(MetricName) if name not in SET_METRICS)
"""Metrics that give one value per pair."""
HIGHER_IS_BETTER: tuple[MetricName, ...] = ("ssim",)
"""The metrics of which more is better. Their classes say so too, but reading those imports torch."""
MetricProtocol = Literal["ours", "styleid"]
"""Whose conventions an evaluation's figures follow."""
BenchmarkName = Literal["styleid800"]
"""Sets of pairs that papers report figures of."""
ComparePart = Literal["speed", "losses", "pictures", "normalization", "ablations", "controls"]
BenchKind = Literal["all", "train", "stages", "stylize", "load", "loop", "video"]
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed", "32", "16", "bf16"]
"""``auto`` is ours (see ``precision``); the rest are Lightning's settings that keep the weights in float32."""
Concrete = Literal["32-true", "bf16-mixed"]
"""What a precision of inference comes to, by Lightning's names."""
Arithmetic = Literal["auto", "32-true", "bf16-mixed"]
"""Precisions for inference; ``auto`` is ours (see ``precision``)."""
Accelerator = Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"]
"""Lightning's accelerators."""
LearningRateScaling = Literal["none", "linear", "sqrt"]


@dataclass(frozen=True)
class OrPath:
    """Mark a text that must be one of these words or an existing file or folder."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class IsFile:
    """Mark a text that must name an existing file."""


Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]
Side = Annotated[int, Ge(16)]
"""Pixels."""
LargeSide = Annotated[int, Ge(32)]
Sides = Annotated[list[Side], Len(1)]
Counts = Annotated[list[Count], Len(1)]
Positive = Annotated[float, Gt(0)]
Weight = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
Rate = Annotated[float, Gt(0)]
Seed = Annotated[int, Ge(0), Le(2**32 - 1)]
Patches = Annotated[int, Ge(100)]
DecoderWidths = Annotated[Sequence[Count], Len(3, 3)]
"""Hidden channels at full, half and quarter resolution."""
InverseWidths = Annotated[Sequence[Count], Len(2, 2)]
"""Hidden channels at full and half resolution."""
Betas = tuple[Annotated[float, Ge(0), Lt(1)], Annotated[float, Ge(0), Lt(1)]]
DecoderInit = Annotated[str, OrPath(("random", "least_squares", *READY_DECODERS))]
InverseInit = Annotated[str, OrPath(("random", "least_squares"))]
PictureFile = Annotated[str, IsFile()]
Paths = str | list[str]
"""One file or folder, or several."""
Metric = Literal[
    "val/loss", "val/content", "val/style", "val/style_relu1_1", "val/style_relu2_1", "val/style_relu3_1",
    "val/style_relu4_1", "val/tv", "val/identity",
]  # fmt: skip
Direction = Literal["min", "max"]
ChosenDecoder = Annotated[str, OrPath(("auto", "latest", "best", *READY_DECODERS))]
CudaGraph = Literal["auto"]
PictureFormat = Literal["png", "jpg", "jpeg", "webp", "mp4", "mkv", "mov", "webm"]
Quality = Annotated[int, Ge(1), Le(100)]
MaxPixels = Annotated[int, Ge(256)]


class Pairs(TypedDict):
    """The keys that every ``data`` choice shares: arguments of ``StyleTransferDataModule``."""

    batch_size: Count
    resize: Side
    crop: Side
    flip: Share
    val_size: Side
    val_pairs: Count
    num_workers: Whole | None
    seed: Seed
    style_zoom: Annotated[float, Ge(1)]


_RUN: dict[str, Any] = {"run.name": str | None, "run.group": str | None, "run.tags": list[str]}
KEYS: dict[str, dict[str, Any]] = {
    "train": {
        "seed": Seed,
        "ckpt": Annotated[str, OrPath(("last", "best"))] | None,
        "logs": str,
        "compile": bool,
        "cuda_graph": CudaGraph | bool,
        "tf32": bool,
        "draft": str | None,
        "compare_with": Annotated[str, OrPath(READY_DECODERS)] | None,
        "monitor.metric": Metric,
        "monitor.mode": Direction,
        "encoder.name": EncoderName,
        "encoder.weights": str | None,
        **_RUN,
    },
    "stylize": {
        "content": Paths,
        "style": Paths | None,
        "styles": list[str] | None,
        "weights": list[float] | None,
        "masks": list[str] | None,
        "pairing": Literal["all", "zip"],
        "decoder": ChosenDecoder,
        "alpha": Weight,
        "extrapolate": bool,
        "preserve_color": PreserveColor | bool,
        "grid": Literal["alpha", "corners", "styles", "decoders", "frames"] | None,
        "cell": Side,
        "out": str | None,
        "format": PictureFormat | None,
        "quality": Quality,
        "overwrite": bool,
        "tile": str | int,
        "stroke": Annotated[float, Ge(1 / 16), Le(16)] | None,
        "side": Side | None,
        "max_pixels": MaxPixels,
        "temporal": Share,
        "seconds": Positive | None,
        "crf": Annotated[int, Ge(0), Le(51)],
        "batch_size": Count | None,
        "device": str | None,
        "precision": Arithmetic,
        "logs": str,
    },
    "stylize_dataset": {
        "content": str,
        "style": str,
        "out": str,
        "decoder": ChosenDecoder,
        "alpha": Share,
        "seed": Whole,
        "styles_per_picture": Count,
        "shards": Count,
        "shard": Whole,
        "size": Side | None,
        "crop": Side | None,
        "style_size": Side | None,
        "max_pixels": Count,
        "format": Literal["keep", "jpg", "png", "webp"],
        "quality": Quality,
        "engine": Literal["local", "ray"],
        "batch_size": Count | None,
        "precision": Arithmetic,
        "workers": Whole | None,
        "cached_styles": Count,
        "ray.address": str | None,
        "ray.cpus": Count | None,
        "ray.actors": Count | None,
        "logs": str,
    },
    "export": {"decoder": ChosenDecoder, "out": str, "onnx": bool, "logs": str},
    "evaluate": {
        "encoder.name": EncoderName,
        "encoder.weights": str | None,
        "content": str | None,
        "style": str | None,
        "pairs": int | str | None,
        "pairing": Literal["auto", "all", "zip"],
        "decoder": ChosenDecoder | None,
        "outputs": str | None,
        "against": ChosenDecoder | None,
        "compare": list[str] | None,
        "metrics": str | list[str],
        "losses": LossUnits | list[LossUnits],
        "motion": MotionName | list[MotionName] | None,
        "protocol": MetricProtocol,
        "benchmark.name": BenchmarkName | None,
        "benchmark.pictures": str | None,
        "precision": Arithmetic,
        "size": LargeSide,
        "crop": bool,
        "alpha": Share,
        "batch_size": Count,
        "device": str,
        "seed": Seed,
        "bootstrap": Annotated[int, Ge(100)],
        "save_outputs": bool,
        "page_pairs": Count,
        "page_order": Literal[PAIR_METRICS],
        "weights.lpips_alexnet": str | None,
        "weights.lpips_vgg16": str | None,
        "weights.inception_fid": str | None,
        "weights.art_inception": str | None,
        "weights.vgg19_torchvision": str | None,
        "weights.inception_torchvision": str | None,
        "out": str | None,
        "logs": str,
        **_RUN,
    },
    "demo": {
        "host": str,
        "port": Annotated[int, Ge(0), Le(65535)],
        "url": str | None,
        "decoder": ChosenDecoder,
        "side": Annotated[int, Ge(64)],
        "live_side": LargeSide,
        "max_mb": Positive,
        "max_pixels": MaxPixels,
        "device": str | None,
        "precision": Arithmetic,
        "logs": str,
    },
    "compare": {
        "parts": Annotated[list[ComparePart], Len(1)],
        "content": str | None,
        "style": str | None,
        "sizes": Annotated[list[LargeSide], Len(1)],
        "repeats": Count,
        "memory": bool,
        "speed.gatys_iterations": Annotated[int, Ge(3)],
        "speed.gatys_done": Annotated[int, Ge(3)],
        "losses.size": LargeSide,
        "losses.styles": Count,
        "losses.contents": Count,
        "losses.iterations": Counts,
        "losses.measure": StyleMeasure,
        "pictures.size": LargeSide,
        "pictures.rows": Count,
        "ablations.size": LargeSide,
        "ablations.styles": Count,
        "ablations.contents": Count,
        "ablations.rows": Count,
        "normalization.size": LargeSide,
        "normalization.contents": Count,
        "controls.size": LargeSide,
        "controls.styles": Count,
        "controls.contents": Count,
        "controls.alphas": list[Share],
        "controls.style_weights": list[Positive],
        **{f"checkpoints.{name}": str | None for name in (
            "adain", "style_swap", "baseline", "concat", "bn_decoder", "in_decoder")},
        "checkpoints.texture_network": Paths | None,
        "steps.style_swap": Count,
        "steps.texture_network": Count,
        **{f"steps.{name}": Count for name in ("ablations", "normalization", "controls")},
        **{f"recipes.{name}": list[str] for name in (
            "style_swap", "texture_network", "ablations", "normalization", "controls")},
        "start_pictures": Count,
        "start_patches": Patches,
        "training": list[str],
        "device": str,
        "seed": Seed,
        "out": str | None,
        "logs": str,
        **_RUN,
    },
    "bench": {
        "bench": BenchKind,
        "gatys_iterations": Annotated[int, Ge(3)],
        "reference": str | None,
        "sizes": Sides,
        "batch_sizes": Counts,
        "stylize_sizes": Sides,
        "stylize_batch_sizes": Counts,
        "precisions": Annotated[list[Concrete], Len(1)] | None,
        "memory_formats": Annotated[list[Literal["channels_first", "channels_last"]], Len(1)] | None,
        "compile": Annotated[list[bool], Len(1)],
        "repeats": Count,
        "steps": Count,
        "least_seconds": Weight,
        "memory": bool,
        "profile": bool,
        "content": str | None,
        "style": str | None,
        "pictures": Count,
        "resize": Side,
        "crop": Side,
        "workers": Whole,
        "wandb": bool,
        "logs": str,
    },
}  # fmt: skip
"""Types of the keys outside any ``_target_``, by command."""
MODELS: dict[str, dict[str, Any]] = {
    "adain": {},
    "gatys": {
        "measure": StyleMeasure,
        "optimizer": PixelOptimizer,
        "iterations": Count,
        "initial": Annotated[str, OrPath(("content", "noise"))],
        "scales": Count,
        "content_weight": Weight,
        "style_weight": Weight | None,
        "tv_weight": Weight,
        "lr": Rate,
    },
    "texture_network": {},
    "style_swap": {"patch_size": Count | None, "stride": Count | None},
}
"""Types of the keys of ``conf/inference/model``, by model."""
TARGETS: dict[str, dict[str, Any]] = {
    "pytorch_lightning.Trainer": {
        "accelerator": Accelerator,
        "devices": int | str | list[int] | list[str],
        "num_nodes": Count,
        "precision": Precision,
        "max_steps": Count,
        "val_check_interval": Count,
        "check_val_every_n_epoch": Count | None,
        "log_every_n_steps": Count,
        "accumulate_grad_batches": Count,
        "gradient_clip_val": Weight | None,
        "num_sanity_val_steps": Annotated[int, Ge(-1)],
        "use_distributed_sampler": bool,
        "enable_model_summary": bool,
        "enable_progress_bar": bool,
        "default_root_dir": str,
    },
}
"""Types of the arguments we set on other packages' targets, where ours are narrower than their own."""


def current_name(name: Any) -> Any:
    """Return the current spelling of a name from a file of version 0.1; anything else is returned unchanged."""
    return OLD_NAMES.get(name, name) if isinstance(name, str) else name


def current_override(override: str) -> str:
    """Return an override, or a key, that version 0.1 recorded, in today's words."""
    key, equals, value = override.partition("=")
    for old, new in RENAMED.items():
        if re.match(rf"[+~]*{old}(\.|$)", key):
            key = key.replace(old, new, 1)
    return f"{key}{equals}{current_name(value)}"
