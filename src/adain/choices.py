"""Words a user may choose from, once: signatures are typed with them and the command line checks against them.

Nothing heavy is imported here, so a mistyped word is answered before torch is loaded.
"""

from __future__ import annotations

from typing import Literal

EncoderName = Literal["vgg19_normalised", "vgg19_torchvision"]
StyleReduction = Literal["mean", "sum"]
Schedule = Literal["constant", "inverse_time", "linear", "cosine"]
Optimiser = Literal["adam", "muon"]
LearningRateScaling = Literal["none", "linear", "sqrt"]
