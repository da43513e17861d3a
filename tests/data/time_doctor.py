"""``python -m tests.data.time_doctor [COUNT] [SIDE]``: seconds that ``make doctor`` needs to scan 10,000 new JPEG files.

The files are made first, in a temporary folder, and are not timed. Then the scan is timed cold (nothing known) and warm.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from adain.data.picture import MAX_PIXELS
from adain.data.scan import exact_duplicates, scan
from adain.data.scan_cache import ScanCache
from adain.data.sources import FolderSource


def main() -> None:
    count, side = (int(word) for word in (*sys.argv[1:], *("10000", "480")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "pictures"
        root.mkdir()
        random = np.random.default_rng(0)
        for number in range(count):
            coarse = random.integers(0, 256, (24, 32, 3), dtype=np.uint8)
            picture = Image.fromarray(coarse).resize((side * 4 // 3, side), Image.Resampling.BICUBIC)
            picture.save(root / f"{number:06d}.jpg", quality=90)
        size = sum(path.stat().st_size for path in root.iterdir())
        print(f"{count} JPEG files of {side * 4 // 3} x {side}, {size / 1e6:.0f} MB")
        for name in ("cold", "warm"):
            start = time.perf_counter()
            manifest = ScanCache(Path(folder) / "manifest.sqlite")
            found, _ = scan(FolderSource(str(root)).names, manifest, MAX_PIXELS, 16, 2)
            groups = len(exact_duplicates(found.values()))
            manifest.close()
            print(f"{name}: {time.perf_counter() - start:.1f} s with 2 processes, {groups} groups of duplicates")


if __name__ == "__main__":
    main()
