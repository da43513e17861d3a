"""Arbitrary style transfer (Huang & Belongie 2017) as a PyTorch Lightning + Hydra experiment framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adain.inference.stylizer import Stylizer

__all__ = ["Stylizer"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, and a mistyped override is to be answered without it
    if name == "Stylizer":
        from adain.inference.stylizer import Stylizer

        return Stylizer
    raise AttributeError(name)
