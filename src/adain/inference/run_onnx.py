"""Run an exported style transfer without torch: numpy, onnxruntime and pillow are all it needs.

python run_onnx.py content.jpg style.jpg out.png [alpha]

The two graphs are looked for beside this file, or in the folder that the environment variable MODELS names.
"""

import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def read(path: str) -> np.ndarray:
    """Return a picture as 1 x 3 x H x W float32, RGB in [0, 1]."""
    try:
        picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    except OSError as error:
        sys.exit(f"{path} cannot be read ({error.strerror or 'no picture'}): give a picture")
    if min(picture.size) < 16:
        sys.exit(f"{path} is {picture.width} x {picture.height}: give a picture of at least 16 x 16 pixels")
    return (np.asarray(picture, dtype=np.float32) / 255).transpose(2, 0, 1)[None]


def save(pixels: np.ndarray, path: str) -> None:
    """Write 1 x 3 x H x W float32 in [0, 1]."""
    Image.fromarray((pixels[0].transpose(1, 2, 0) * 255).round().astype(np.uint8)).save(path)


def main() -> None:
    """Encode the style once, then transfer it. The statistics can be kept and used for any number of contents."""
    if len(sys.argv) not in (4, 5):
        sys.exit("usage: python run_onnx.py CONTENT STYLE OUT [ALPHA]")
    content, style, out = sys.argv[1:4]
    try:
        alpha = np.array(float(sys.argv[4]) if len(sys.argv) == 5 else 1.0, dtype=np.float32)
    except ValueError:
        sys.exit(f"alpha {sys.argv[4]} is no number: give 0 (the content) to 1 (the full style)")
    models = Path(os.environ.get("MODELS") or Path(__file__).parent)
    style_encoder = onnxruntime.InferenceSession(
        (models / "style_encoder.onnx").read_bytes(), providers=["CPUExecutionProvider"]
    )
    transfer = onnxruntime.InferenceSession((models / "transfer.onnx").read_bytes(), providers=["CPUExecutionProvider"])
    mean, std = style_encoder.run(None, {"picture": read(style)})
    picture = read(content)
    (stylized,) = transfer.run(None, {"picture": picture, "mean": mean, "std": std, "alpha": alpha})
    save(stylized, out)
    print(f"{out}  ({picture.shape[3]} x {picture.shape[2]})")


if __name__ == "__main__":
    main()
