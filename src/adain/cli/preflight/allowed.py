"""What a command's keys may be: words and ranges, known before torch is loaded. A type is that of the default in YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from adain.runtime.schema import (
    PAIR_METRICS,
    READY_DECODERS,
    Accelerator,
    Arithmetic,
    BenchKind,
    EncoderName,
    LearningRateScaling,
    MethodName,
    Norm,
    Optimiser,
    PixelOptimiser,
    Precision,
    PreserveColor,
    Schedule,
    StyleMeasure,
    StyleReduction,
    Transfer,
)

Words = tuple[str, ...]


@dataclass(frozen=True)
class Allowed:
    """By dotted key.

    Attributes:
        words: A value is one of these.
        words_or_path: Or else a file or folder that is there.
        files: The name of a file that is there.
        above: A number above this, or null.
        least: A number not below this, or null.
        most: A number not above this.
        several_types: Values whose type need not be the default's.
    """

    words: dict[str, Words] = field(default_factory=dict)
    words_or_path: dict[str, Words] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    above: dict[str, float] = field(default_factory=dict)
    least: dict[str, float] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)
    several_types: tuple[str, ...] = ()


_DECODERS = ("latest", "best", *READY_DECODERS)
_SYSTEMS = Allowed(  # the sections of conf/systems
    words={
        "method": get_args(MethodName),
        "gatys.measure": get_args(StyleMeasure),
        "gatys.optimizer": get_args(PixelOptimiser),
    },
    words_or_path={"gatys.initial": ("content", "noise")},
    above={"gatys.lr": 0},
    least={
        "gatys.iterations": 1,
        "gatys.scales": 1,
        "gatys.content_weight": 0,
        "gatys.style_weight": 0,
        "gatys.tv_weight": 0,
        "style_swap.patch_size": 1,
        "style_swap.stride": 1,
    },
)
_TRAIN = Allowed(
    words={
        "method.style_reduction": get_args(StyleReduction),
        "method.transfer": get_args(Transfer),
        "method.norm": get_args(Norm),
        "method.measure": get_args(StyleMeasure),
        "optim.optimizer": get_args(Optimiser),
        "optim.scale_lr": get_args(LearningRateScaling),
        "optim.schedule": get_args(Schedule),
        "encoder.name": get_args(EncoderName),
        "trainer.precision": get_args(Precision),
        "trainer.accelerator": get_args(Accelerator),
        "monitor.metric": (
            *("val/loss", "val/content", "val/style"),
            *(f"val/style_relu{block}_1" for block in range(1, 5)),
            *("val/tv", "val/identity"),
        ),
        "monitor.mode": ("min", "max"),
    },
    words_or_path={
        "method.init": ("random", "least_squares", *READY_DECODERS),
        "ckpt": ("last", "best"),
        "compare_with": READY_DECODERS,
    },
    files=("method.style",),
    above={"optim.lr": 0, "optim.bias_lr": 0},
    least={
        "seed": 0,
        "optim.lr_decay": 0,
        "optim.warmup_steps": 0,
        "method.content_weight": 0,
        "method.style_weight": 0,
        "method.tv_weight": 0,
        "method.identity_weight": 0,
        "method.start_pictures": 1,
        "method.start_patches": 100,
        "method.patch_size": 1,
        "method.stride": 1,
        "method.style_size": 16,
        "method.width": 1,
        "method.blocks": 1,
        "data.batch_size": 1,
        "optim.lr_batch": 1,  # by default data.batch_size
        "data.crop": 16,
        "data.resize": 16,
        "data.flip": 0,
        "data.val_size": 16,
        "data.val_pairs": 1,
        "data.num_workers": 0,
        "data.count": 1,
        "data.buffer": 1,
        "data.max_pixels": 1,
        "data.min_side": 1,
        "trainer.max_steps": 1,
        "trainer.val_check_interval": 1,
        "trainer.log_every_n_steps": 1,
        "trainer.accumulate_grad_batches": 1,
        "trainer.num_nodes": 1,
        "trainer.gradient_clip_val": 0,
        "callbacks.grid.pairs": 1,
    },
    most={"data.flip": 1, "seed": 2**32 - 1},
    # 2, [0,1] or auto; 32 or bf16-mixed; one folder or a list
    several_types=("trainer.devices", "trainer.precision", "data.content", "data.style"),
)
_OTHERS = {
    "stylize": Allowed(
        words={
            "pairing": ("all", "zip"),
            "preserve_color": (*get_args(PreserveColor), "true", "false"),
            "format": ("png", "jpg", "jpeg", "webp", "mp4", "mkv", "mov", "webm"),
            "grid": ("alpha", "corners", "styles", "frames"),
            "precision": get_args(Arithmetic),
        },
        words_or_path={"decoder": _DECODERS},
        above={"seconds": 0},
        least={"alpha": 0, "max_pixels": 256, "cell": 16, "temporal": 0, "crf": 0, "quality": 1, "batch_size": 1},
        most={"alpha": 1, "temporal": 1, "crf": 51, "quality": 100},
    ),
    "stylize_dataset": Allowed(
        words={"precision": get_args(Arithmetic)},
        words_or_path={"decoder": _DECODERS},
        least={"alpha": 0},
        most={"alpha": 1},
    ),
    "export": Allowed(words_or_path={"decoder": _DECODERS}),
    "evaluate": Allowed(
        words={"pairing": ("auto", "all", "zip"), "page_order": PAIR_METRICS},
        words_or_path={"decoder": _DECODERS, "against": _DECODERS},
        least={"alpha": 0, "size": 32, "batch_size": 1, "bootstrap": 100, "page_pairs": 1},
        most={"alpha": 1},
        several_types=("metrics", "pairs"),  # a word or a list; a number or a file
    ),
    "demo": Allowed(
        words={"precision": get_args(Arithmetic)},
        words_or_path={"decoder": _DECODERS},
        above={"max_mb": 0},
        least={"port": 0, "side": 64, "live_side": 32, "max_pixels": 256},
        most={"port": 65535},
    ),
    "compare": Allowed(
        words={"losses.measure": get_args(StyleMeasure)},
        least={
            "repeats": 1,
            "speed.gatys_done": 3,
            "speed.gatys_iterations": 3,
            "losses.size": 32,
            "losses.styles": 1,
            "losses.contents": 1,
            "pictures.size": 32,
            "pictures.rows": 1,
            "ablations.size": 32,
            "ablations.styles": 1,
            "ablations.contents": 1,
            "ablations.rows": 1,
            "start_pictures": 1,
            "start_patches": 100,
            "steps.style_swap": 1,
            "steps.texture_network": 1,
            "steps.ablations": 1,
        },
        several_types=("checkpoints.texture_network",),
    ),
    "bench": Allowed(
        words={"bench": get_args(BenchKind)},
        least={"repeats": 1, "steps": 1, "pictures": 1, "least_seconds": 0, "workers": 0},
    ),
}


def allowed(command: str) -> list[Allowed]:
    """What is allowed to the keys of a command, by the name of its primary configuration."""
    return [_SYSTEMS, _OTHERS.get(command, _TRAIN)]
