"""Arbitrary style transfer (Huang & Belongie 2017) as a PyTorch Lightning + Hydra experiment framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adain.inference.stylizer import Stylizer

    __version__: str

__all__ = ["Stylizer", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Stylizer":  # torch takes seconds to import, and a mistyped override is to be answered without it
        from adain.inference.stylizer import Stylizer

        return Stylizer
    if name == "__version__":
        from importlib.metadata import version

        return version("adain-lightning")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
