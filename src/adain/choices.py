"""Words a user may choose from, once: signatures are typed with them and the command line checks against them.

Nothing heavy is imported here, so a mistyped word is answered before torch is loaded.
"""

from __future__ import annotations

from typing import Literal

EncoderName = Literal["vgg19_normalised", "vgg19_torchvision"]
StyleReduction = Literal["mean", "sum"]
Schedule = Literal["constant", "inverse_time", "linear", "cosine"]
Optimiser = Literal["adam", "muon"]
Precision = Literal[
    "auto", "32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true", "64-true", "transformer-engine",
    "transformer-engine-float16", "32", "16", "64", "bf16",
]  # fmt: skip
"""``auto`` is ours (see ``precision``), the rest Lightning's; a test holds it against Lightning's own list."""
Accelerator = Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"]
"""Lightning's."""
