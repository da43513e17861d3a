"""Turn a device name into a device that works."""

from __future__ import annotations

import torch

from adain.runtime.errors import InputError


def find_device(name: str | torch.device | None) -> torch.device:
    """Return the named device, after checking that it works.

    Args:
        name: ``cpu``, ``cuda``, ``cuda:1`` or another torch device; None or ``auto`` picks a GPU if there is one.

    Raises:
        InputError: If the name is not a device, or this machine does not have it.
    """
    word = "auto" if name is None else str(name).lower()
    try:
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if word == "auto" else word)
    except RuntimeError:
        raise InputError(f"device={name} is not allowed: give auto, cpu, cuda or cuda:1") from None
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):  # torch raises each of these for a missing device
        available = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise InputError(
            f"device={name} does not exist on this machine: give {' or '.join(available)}, or leave it out"
        ) from None
    return device
