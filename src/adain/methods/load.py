"""Any of the four systems, ready to use, by its name or from its checkpoint."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adain.data.picture import PictureError, read_picture, to_tensor, to_unit
from adain.methods.adain import AdaINMethod
from adain.methods.base import TrainedMethod
from adain.methods.gatys import Gatys
from adain.methods.interface import Method, known_method, require
from adain.methods.style_swap import StyleSwap, check_patches
from adain.methods.texture_network import TextureNetwork
from adain.nn.decoder import load_decoder
from adain.nn.encoder import Encoder
from adain.nn.weights import read_state
from adain.runtime.errors import InputError
from adain.runtime.files import expanded
from adain.runtime.schema import current_name

_TRAINED: dict[str, type[TrainedMethod]] = {
    "adain": AdaINMethod,
    "texture_network": TextureNetwork,
    "style_swap": StyleSwap,
}


def load_method(
    name: str | None = None,
    checkpoint: str | Path | None = None,
    device: str | torch.device | None = None,
    **options: Any,
) -> Method[Any]:
    """Return a system in evaluation mode on a device, whatever kind it is.

    Args:
        name: ``adain``, ``gatys``, ``texture_network`` or ``style_swap``. None: what the checkpoint is of.
        checkpoint: A run's checkpoint, of an ablation too. For ``adain`` also ``reference`` (the default),
            ``shipped``, ``best``, or any file that ``decoder.load_decoder`` takes. ``gatys`` has none.
        device: A GPU if there is one by default.
        options: Of the system when it is used, the keys of its file in ``conf/inference/model``; all take
            ``encoder_weights``, and gatys takes ``encoder`` too. None leaves what the checkpoint says.

    Raises:
        InputError: If there is no such system, file or option, or the file is another system's.
    """
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if name is not None:
        name = known_method(name)
    if name == "gatys":
        if checkpoint is not None:
            require("gatys", "trained")
        return _gatys(place, options)
    given = {key: value for key, value in options.items() if value is not None}
    if checkpoint is None:
        if name not in (None, "adain"):
            raise InputError(f"{name} needs a checkpoint of its own, and none is given: train one")
        checkpoint = "reference"
    state = check_checkpoint(name, checkpoint)
    if "state_dict" not in state:  # a decoder alone
        plain: Method[Any] = _plain(checkpoint, given).to(place)
        return plain
    trained: Method[Any] = _trained(str(state["method"]), checkpoint, state, given).to(place)
    return trained


def check_checkpoint(name: str | None, checkpoint: str | Path) -> dict[str, Any]:
    """Return what a checkpoint of the named system holds: nothing for a word, a decoder's own state dict as it is.

    Args:
        name: Of a trained system; None: any.
        checkpoint: As ``load_method`` takes it.

    Raises:
        InputError: If it cannot be read or is another system's.
    """
    if checkpoint in ("reference", "shipped", "best"):
        return {}
    state: dict[str, Any] = read_state(expanded(checkpoint))
    if "state_dict" not in state:
        if name not in (None, "adain"):
            raise InputError(f"{checkpoint} is not a checkpoint of {name}: give one of a run that trained it")
        load_decoder(checkpoint)
        return state
    found = str(state.get("method", "another system"))
    if name is not None and found != name:
        raise InputError(f"{checkpoint} is a checkpoint of {found}, but {name} is asked for: give the same")
    if found not in _TRAINED:
        raise InputError(f"{checkpoint} is of {found}: give a checkpoint of {', '.join(_TRAINED)}")
    return state


def _trained(name: str, checkpoint: str | Path, state: dict[str, Any], given: dict[str, Any]) -> Any:
    """Return a LightningModule with the checkpoint's arguments and weights."""
    kind = _TRAINED[name]
    allowed = {"adain": set(), "texture_network": set(), "style_swap": {"patch_size", "stride"}}[name]
    _known(name, given, allowed | {"encoder_weights"})
    known = inspect.signature(kind).parameters  # checkpoints of version 0.1 hold the optimizer's settings too
    saved = {key: current_name(value) for key, value in (state.get("hyper_parameters") or {}).items() if key in known}
    saved.pop("optimizer", None)
    hparams = {**saved, "encoder_weights": None, **given}
    if name == "style_swap" and {"patch_size", "stride"} & set(given):
        check_patches(hparams["patch_size"], hparams["stride"])
    try:
        method = kind(**hparams)
        method.load_state_dict(state["state_dict"])
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"{checkpoint} is not a complete checkpoint of {name} ({reason}): train a new one") from None
    return method.eval().requires_grad_(False)


def _plain(checkpoint: str | Path, given: dict[str, Any]) -> Any:
    """AdaIN around a decoder that came without a configuration."""
    _known("adain", given, {"encoder_weights"})
    decoder, encoder = load_decoder(checkpoint)
    method = AdaINMethod(encoder=encoder, widths=list(decoder.widths), **given)
    method.decoder.load_state_dict(decoder.state_dict())
    return method.eval().requires_grad_(False)


def _gatys(device: torch.device, options: dict[str, Any]) -> Gatys:
    _known("gatys", options, set(inspect.signature(Gatys).parameters) | {"encoder_weights"})
    given = {key: value for key, value in options.items() if value is not None}
    encoder = Encoder.load(given.pop("encoder", "vgg19_normalized"), given.pop("encoder_weights", None)).to(device)
    initial = given.pop("initial", "content")
    return Gatys(encoder, initial=_initial(initial, device), **given)


def _initial(given: Any, device: torch.device) -> Any:
    """Return a word or a picture as it is; anything else is a picture's file."""
    if isinstance(given, Tensor) or given in ("content", "noise"):
        return given
    try:
        return to_unit(to_tensor(read_picture(expanded(str(given)), min_side=16)))[None].to(device)
    except PictureError as error:
        raise InputError(
            f"initial={given} is neither content, noise nor a picture ({error}): give one of them"
        ) from None


def _known(name: str, given: dict[str, Any], allowed: set[str]) -> None:
    if unknown := sorted(set(given) - allowed):
        raise InputError(f"{name} has no option {unknown[0]}: choose among {', '.join(sorted(allowed))}")
