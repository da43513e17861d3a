"""Videos: read, stylized frame by frame with statistics smoothed over time, and written with their audio.

``video.clip.stylize_video(Stylizer.load(), "clip.mp4", "out.mp4", [style])`` is the whole of it. Needs PyAV, the extra
``video``. ``video.source`` needs no torch, so that a wrong file is answered before torch is imported.
"""
