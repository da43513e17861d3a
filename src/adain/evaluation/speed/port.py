"""The reference port's own modules at the same work, imported from a checkout that the user names.

Nothing of the port is copied: ``net.py`` and ``function.py`` are imported as they stand, and given the same weights.
"""

from __future__ import annotations

import copy
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from adain.evaluation.speed.checkout import FILES, check_reference
from adain.evaluation.speed.clock import Stages
from adain.evaluation.speed.stages import STYLIZE, TRAINING, Setting, pictures
from adain.nn.weights import find, read_state
from adain.runtime.errors import InputError

_USED = 31  # modules of its encoder up to relu4_1


def import_port(folder: Path) -> ModuleType:
    """Return its ``net`` module. The names it takes in ``sys.modules`` are given back.

    Raises:
        InputError: If it cannot be imported or is another network.
    """
    names = [Path(name).stem for name in FILES]
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, str(folder.resolve()))
    importlib.invalidate_caches()
    try:
        module = importlib.import_module("net")
    except Exception as error:
        raise InputError(f"reference={folder}: net.py cannot be imported ({type(error).__name__}: {error})") from None
    finally:
        sys.path.remove(str(folder.resolve()))
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(before)
    if missing := [name for name in ("Net", "vgg", "decoder", "adain") if not hasattr(module, name)]:
        raise InputError(f"reference={folder}: net.py has no {', '.join(missing)}: give naoto0804/pytorch-AdaIN's")
    return module


def _network(setting: Setting, device: torch.device) -> tuple[Any, Any]:
    """Return its ``Net`` with the published weights, and its AdaIN function."""
    assert setting.reference is not None
    module = import_port(check_reference(setting.reference))
    encoder, decoder = copy.deepcopy(module.vgg), copy.deepcopy(module.decoder)
    try:
        encoder.load_state_dict(read_state(find("vgg19_normalized")))
        decoder.load_state_dict(read_state(find("reference_decoder")))
    except RuntimeError as error:
        raise InputError(
            f"reference={setting.reference}: its networks do not take the published weights "
            f"({str(error).splitlines()[-1].strip()}): give naoto0804/pytorch-AdaIN's"
        ) from None
    network = module.Net(torch.nn.Sequential(*list(encoder.children())[:_USED]), decoder)
    return network.to(device), module.adain


class PortStep:
    """The port's training step with the optimizer and weights of its ``train.py``: Adam, content 1, style 10."""

    def __init__(self, setting: Setting, device: torch.device) -> None:
        self.network, self.transfer = _network(setting, device)
        self.network.train()
        self.optimizer = torch.optim.Adam(self.network.decoder.parameters(), lr=1e-4)
        self.content, self.style = pictures(setting, device)
        self.kept: dict[str, Any] = {}

    def stages(self) -> Stages:
        """Return the parts of its ``Net.forward``, then the whole."""
        parts = (self._encode_content, self._encode_style, self._adain, self._decode, self._encode_output)
        return list(zip(TRAINING, (*parts, self._backward, self._update, self._step), strict=True))

    def _encode_content(self) -> None:
        self.kept["own"] = self.network.encode(self.content)

    def _encode_style(self) -> None:
        self.kept["wanted"] = self.network.encode_with_intermediate(self.style)

    def _adain(self) -> None:
        self.kept["target"] = self.transfer(self.kept.pop("own"), self.kept["wanted"][-1])

    def _decode(self) -> None:
        self.kept["output"] = self.network.decoder(self.kept["target"])

    def _encode_output(self) -> None:
        network, wanted = self.network, self.kept.pop("wanted")
        found = network.encode_with_intermediate(self.kept.pop("output"))
        content = network.calc_content_loss(found[-1], self.kept.pop("target"))
        style = sum(network.calc_style_loss(a, b) for a, b in zip(found, wanted, strict=True))
        self.kept["loss"] = content + 10 * style

    def _backward(self) -> None:
        torch.autograd.backward(self.kept.pop("loss"))

    def _update(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _step(self) -> None:
        content, style = self.network(self.content, self.style)
        self.optimizer.zero_grad()
        torch.autograd.backward(content + 10.0 * style)
        self.optimizer.step()


class PortStylize:
    """The port's stylizing: it encodes the style each time, and has no other way."""

    def __init__(self, setting: Setting, device: torch.device) -> None:
        self.network, self.transfer = _network(setting, device)
        self.network.eval()
        self.content, self.style = pictures(setting, device)

    def stages(self) -> Stages:
        """Return the one stage there is."""
        return [(STYLIZE[0], self.stylize)]

    @torch.no_grad()
    def stylize(self) -> Tensor:
        """Return the output pictures, at full strength."""
        features = self.network.encode(self.content)
        target = self.transfer(features, self.network.encode(self.style))
        output: Tensor = self.network.decoder(target)
        return output
