"""What the paper states, to stand beside what is measured here."""

from __future__ import annotations

from adain.runtime.schema import MethodName

SOURCE = "Titan X, from the paper"


SPEED: dict[tuple[MethodName, int], tuple[float, float | None]] = {
    ("gatys", 256): (14.17, 14.19),
    ("gatys", 512): (46.75, 46.79),
    ("style_swap", 256): (0.171, 0.407),
    ("style_swap", 512): (3.214, 4.144),
    ("texture_network", 256): (0.011, None),
    ("texture_network", 512): (0.038, None),
    ("adain", 256): (0.018, 0.027),
    ("adain", 512): (0.065, 0.098),
}
"""Seconds for one picture, with its style encoded before, and with its encoding, if there is any; by method and side in
pixels. Huang & Belongie 2017, the table of speeds: a Pascal Titan X, mean of 100 pictures."""

NAMES: dict[str, str] = {
    "gatys": "Gatys et al.",
    "style_swap": "Chen & Schmidt (style swap)",
    "texture_network": "Ulyanov et al. (texture network)",
    "adain": "AdaIN",
    "baseline": "Enc-AdaIN-Dec",
    "concat": "Enc-Concat-Dec",
    "bn_decoder": "Enc-AdaIN-BNDec",
    "in_decoder": "Enc-AdaIN-INDec",
}
"""Systems and ablations as the paper calls them."""

STYLES: dict[MethodName, str] = {"gatys": "any", "style_swap": "any", "texture_network": "1", "adain": "any"}
"""How many styles one network serves."""

DUMOULIN = (
    "The paper names a fifth system, Dumoulin et al. 2017: one texture network for 32 fixed styles, each a scale and a shift "
    "of its instance normalization. It has no row here: to stylize, it computes what the network of Ulyanov et al. computes, "
    "so its time is that row's; and its losses need a training on 32 styles that the other systems do not need."
)
"""Why the fifth system has no row."""
