"""The device that a word means."""

from __future__ import annotations

import torch

from adain.runtime.errors import UserError


def find_device(wanted: str | torch.device | None) -> torch.device:
    """A device that works.

    Args:
        wanted: ``cpu``, ``cuda``, ``cuda:1`` or another of torch's; None or ``auto``: a GPU if there is one.

    Raises:
        UserError: If there is no such device, or none here.
    """
    name = "auto" if wanted is None else str(wanted).lower()
    try:
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
    except RuntimeError:
        raise UserError(f"device={wanted} is not allowed: give auto, cpu, cuda or cuda:1") from None
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):  # one for each way in which a device can be missing
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise UserError(f"device={wanted} is not there: give {' or '.join(there)}, or leave it out") from None
    return device
