"""Words a user may choose from, once: signatures are typed with them and the command line checks against them.

Nothing heavy is imported here, so a mistyped word is answered before torch is loaded.
"""

from __future__ import annotations

from typing import Literal, get_args

EncoderName = Literal["vgg19_normalised", "vgg19_torchvision"]
StyleReduction = Literal["mean", "sum"]
Schedule = Literal["constant", "inverse_time", "linear", "cosine"]
Optimiser = Literal["adam", "muon"]
PreserveColor = Literal["none", "coral", "luminance"]
EXTENSIONS = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
"""Files in a folder that are taken for pictures."""
VIDEO_EXTENSIONS = frozenset(
    {
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".mpg",
        ".mpeg",
        ".mts",
        ".m2ts",
        ".wmv",
        ".flv",
        ".ogv",
        ".3gp",
        ".y4m",
    }
)
"""Files that are taken for videos. Not ``.ts``, which more often is a program than a recording."""
VIDEO_RESULTS = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
"""Files that a stylised video may become."""
MethodName = Literal["adain", "gatys", "texture_network", "style_swap"]
READY_DECODERS = ("shipped", "reference")
"""Those that come without training; each word is always the same weights."""
Transfer = Literal["adain", "concat"]
Norm = Literal["none", "batch", "instance"]
StyleMeasure = Literal["gram", "statistics"]
PixelOptimiser = Literal["lbfgs", "adam"]
LpipsNetwork = Literal["alexnet", "vgg16"]
MetricName = Literal[
    "content_loss", "content_feature_loss", "style_loss_mean", "style_loss_sum", "gram_loss", "lpips", "lpips_vgg16",
    "ssim", "cfsd", "colour_distance", "frechet_vgg19", "fid", "artfid",
]  # fmt: skip
SET_METRICS: tuple[MetricName, ...] = ("frechet_vgg19", "fid", "artfid")
"""One figure for all pairs together."""
PAIR_METRICS: tuple[MetricName, ...] = tuple(name for name in get_args(MetricName) if name not in SET_METRICS)
"""One figure a pair."""
HIGHER_IS_BETTER: tuple[MetricName, ...] = ("ssim",)
"""Of all metrics; the classes say so too, but need torch to be asked."""
BenchKind = Literal["all", "train", "stages", "stylize", "load", "video"]
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed", "32", "16", "bf16"]
"""``auto`` is ours (see ``precision``), the rest those of Lightning's that keep the weights in float32: see its test."""
Arithmetic = Literal["32-true", "bf16-mixed"]
"""What stylising can be done in, in Lightning's words."""
Accelerator = Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"]
"""Lightning's."""
LearningRateScaling = Literal["none", "linear", "sqrt"]
