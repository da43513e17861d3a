"""Videos: read, stylised frame by frame with statistics smoothed over time, and written so that a cut run goes on.

``stylize_video(Stylizer.load(), "clip.mp4", "out.mp4", [style])`` is the whole of it. Needs PyAV, the extra ``video``.
"""

from adain.video.clip import Report, stylize_video

__all__ = ["Report", "stylize_video"]
