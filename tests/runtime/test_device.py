"""Device names."""

from __future__ import annotations

import pytest

from adain.runtime.device import find_device
from adain.runtime.errors import InputError


def test_an_unknown_or_missing_device_is_refused_with_the_available_ones() -> None:
    with pytest.raises(InputError, match="device=tpu is not allowed: give auto, cpu, cuda or cuda:1"):
        find_device("tpu")
    with pytest.raises(InputError, match="device=cuda:99 does not exist on this machine: give cpu"):
        find_device("cuda:99")
    assert find_device("cpu").type == "cpu"
