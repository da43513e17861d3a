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


def load(path: Path) -> onnxruntime.InferenceSession:
    """Return a graph, ready to run."""
    if not path.is_file():
        sys.exit(f"there is no {path}: set MODELS to the folder of the exported graphs")
    return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


def save(pixels: np.ndarray, path: str) -> None:
    """Write 1 x 3 x H x W float32 in [0, 1]."""
    try:
        Image.fromarray((pixels[0].transpose(1, 2, 0) * 255).round().astype(np.uint8)).save(path)
    except (OSError, ValueError) as error:
        sys.exit(
            f"{path} cannot be written ({getattr(error, 'strerror', None) or error}): give another file, such as out.png"
        )


def main() -> None:
    """Encode the style once, then transfer it. The statistics can be kept and used for any number of contents."""
    if len(sys.argv) not in (4, 5):
        sys.exit("usage: python run_onnx.py CONTENT STYLE OUT [ALPHA]")
    content, style, out = sys.argv[1:4]
    try:
        alpha = np.array(float(sys.argv[4]) if len(sys.argv) == 5 else 1.0, dtype=np.float32)
    except ValueError:
        alpha = np.array(np.nan)
    if not 0 <= alpha <= 1:
        sys.exit(f"alpha {sys.argv[4]} cannot be used: give 0 (the content) to 1 (the full style)")
    models = Path(os.environ.get("MODELS") or Path(__file__).parent)
    style_encoder, transfer = load(models / "style_encoder.onnx"), load(models / "transfer.onnx")
    mean, std = style_encoder.run(None, {"picture": read(style)})
    picture = read(content)
    (stylized,) = transfer.run(None, {"picture": picture, "mean": mean, "std": std, "alpha": alpha})
    save(stylized, out)
    print(f"{out}  ({picture.shape[3]} x {picture.shape[2]})")


if __name__ == "__main__":
    main()
