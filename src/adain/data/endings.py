"""Which files are taken for pictures. Apart, so that a folder can be listed without importing torch."""

from __future__ import annotations

EXTENSIONS = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
