"""The paintings and photographs that the page offers, of those that are cached already: nothing is fetched for it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from PIL import Image

from adain.runtime.fetch import cache_folder

# Chosen by eye for how different they look as styles. The paintings are Metropolitan Museum objects, named by number.
_CHOSEN = {
    "style": (
        "436535", "436532", "436528", "437654", "438821", "437658", "435882", "436819", "437430", "37801", "438822",
        "459092", "436947", "437854", "459123", "458971", "36131", "45428", "37942", "61429", "437153", "435809",
        "634108", "435868",
    ),
    "content": ("pexels-36358763", "pexels-36179987", "pexels-5604956", "pexels-2416933", "pexels-7688357"),
}  # fmt: skip
_THUMB = 192  # pixels


def sample_pictures(kind: Literal["content", "style"]) -> list[Path]:
    """Return the sample pictures of a kind; none where they are not cached."""
    folder = cache_folder() / "sample" / kind
    return [path for name in _CHOSEN[kind] if (path := folder / f"{name}.jpg").is_file()]


def thumbnails(paths: list[Path], folder: Path) -> list[Path]:
    """Make small square copies, for a page that shows many at once.

    Args:
        paths: Pictures of ours.
        folder: Where to write them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for path in paths:
        with Image.open(path) as picture:
            picture.draft("RGB", (_THUMB * 2, _THUMB * 2))
            side = min(picture.size)
            left, top = (picture.width - side) // 2, (picture.height - side) // 2
            small = picture.convert("RGB").resize(
                (_THUMB, _THUMB), Image.Resampling.LANCZOS, (left, top, left + side, top + side)
            )
        made.append(folder / f"{path.stem}.jpg")
        small.save(made[-1], quality=85)
    return made
