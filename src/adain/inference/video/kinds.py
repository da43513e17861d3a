"""Which files are videos. Needs neither torch nor PyAV, and uses PyAV where it is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from adain.data.formats import NO_PICTURE, picture_endings, why_unreadable
from adain.runtime.schema import VIDEO_EXTENSIONS


def is_video(path: Path) -> bool:
    """Return whether a file is a video or an animated picture: by its ending, and by its content where that says too little."""
    ending = path.suffix.lower()
    if ending in VIDEO_EXTENSIONS:
        return True
    picture = ending in picture_endings()
    if picture and (animated := is_animated(path)) is not None:
        return animated
    if find_spec("av") is None:
        return not picture and is_animated(path) is None
    return _opens_as_video(path)


def is_animated(path: str | Path) -> bool | None:
    """Return whether a file is an animated GIF, PNG, WebP, or AVIF; None if Pillow cannot tell what it is."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.format in ("GIF", "PNG", "WEBP", "AVIF") and bool(getattr(picture, "is_animated", False))
    except Exception:  # Pillow's plugins raise anything; what is wrong is said when the file is read
        return None


def is_typescript(path: Path) -> bool:
    """Return whether a file named ``.ts`` is not a recording, whose packets of 188 bytes begin with 0x47."""
    if path.suffix.lower() != ".ts":
        return False
    try:
        with path.open("rb") as file:
            head = file.read(189)
    except OSError:
        return True
    return head[:1] != b"G" or head[188:] != b"G"


def _opens_as_video(path: Path) -> bool:
    import av

    try:
        with path.open("rb") as file:
            head = file.read(16)
        if why_unreadable(path.name, head) != NO_PICTURE:  # FFmpeg takes HEIC, say, for mp4
            return False
        with av.open(str(path.absolute())) as container:
            if container.format.name in ("gif", "apng"):
                return bool(is_animated(path))
            still = container.format.name.endswith("_pipe") or container.format.name in ("image2", "tty")
            cover = av.stream.Disposition.attached_pic
            return not still and any(not stream.disposition & cover for stream in container.streams.video)
    except (av.FFmpegError, OSError):
        return False
