"""The one interface of the paper's four systems, and what each can do. Nothing heavy is imported to ask that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeVar, get_args

from adain.runtime.errors import InputError
from adain.runtime.schema import MethodName

if TYPE_CHECKING:
    from torch import Tensor

Style = TypeVar("Style")
"""What a system keeps of a style: never a bare tensor, so that pictures and encoded styles are told apart."""


class Capabilities(NamedTuple):
    """What can be asked of a system.

    Attributes:
        trained: It has weights of its own, which ``make train`` makes.
        any_style: One network serves every style.
        alpha: Strength between content and style.
        mixing: Several styles in one picture, by weights.
        masks: Several styles in one picture, by place.
    """

    trained: bool = False
    any_style: bool = False
    alpha: bool = False
    mixing: bool = False
    masks: bool = False


CAPABILITIES: dict[MethodName, Capabilities] = {
    "adain": Capabilities(trained=True, any_style=True, alpha=True, mixing=True, masks=True),
    "gatys": Capabilities(any_style=True),
    "texture_network": Capabilities(trained=True),
    "style_swap": Capabilities(trained=True, any_style=True, alpha=True),
}

Ability = Literal["trained", "any_style", "alpha", "mixing", "masks"]
_LACKS: dict[Ability, str] = {
    "trained": "has nothing to train, because it optimizes each picture's pixels",
    "any_style": "knows one style, the one it was trained for",
    "alpha": "has no strength between content and style (alpha)",
    "mixing": "cannot mix several styles",
    "masks": "cannot keep styles apart by masks",
}


class Method(Protocol[Style]):
    """A system ready for use. Pictures are RGB, float32, [0, 1], ``N x 3 x H x W``, H and W at least 16.

    Attributes:
        method: Its name, a key of ``CAPABILITIES``.
        capabilities: What this one can do: an ablation may do less than its system.
    """

    @property
    def method(self) -> MethodName:
        """See above."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """See above."""
        ...

    def encode_style(self, style: Tensor) -> Style:
        """Return all that is kept of a style, to be used for any number of contents.

        Args:
            style: ``N`` pictures or 1, of any size.
        """
        ...

    def stylize(self, content: Tensor, style: Tensor | Style, alpha: float = 1.0) -> Tensor:
        """Pictures with the content of one and the style of another.

        Args:
            content: ``N`` pictures.
            style: ``N`` pictures or 1, of any size, or what ``encode_style`` made of them.
            alpha: From 0, the content, to 1, the full style.

        Returns:
            ``N`` pictures in [0, 1], always of the content's size.

        Raises:
            InputError: If the system cannot do it, or a picture is too small.
        """
        ...


def require(name: MethodName, ability: Ability, can: Capabilities | None = None) -> None:
    """Refuse a request that a system cannot do.

    Args:
        name: The system's.
        ability: What is asked.
        can: What it can do, if less than its system can.

    Raises:
        InputError: In one sentence that names the systems that can.
    """
    if getattr(can or CAPABILITIES[name], ability):
        return
    others = [other for other, known in CAPABILITIES.items() if getattr(known, ability)]
    raise InputError(f"{f'this {name} network' if can else name} {_LACKS[ability]}: use {' or '.join(others)}")


def known_method(name: str) -> MethodName:
    """Return a word as a system's name.

    Raises:
        InputError: If it is none.
    """
    for method in get_args(MethodName):
        if name == method:
            return name  # type: ignore[return-value]  # just compared
    raise InputError(f"there is no model {name!r}: choose one of {', '.join(get_args(MethodName))}")
