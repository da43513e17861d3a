"""Everything that needs a GPU, in one command: ``make test-gpu [reference=CHECKOUT]``, under four minutes on an H100.

Runs the tests that are marked ``gpu``, then benchmarks the training step and stylizing (beside the reference port if its
checkout is given), trains for about a minute from JPEGs, and profiles a step. docs/speed.md has a section for the figures.

A machine without a package index needs torch, Lightning, Hydra and pytest: ``PYTHONPATH=src python -m tests.gpu``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

SIZE = (640, 480)
STEPS = 2500  # half a minute to a minute


def commands(folder: Path, reference: Sequence[str]) -> dict[str, list[str]]:
    """Return what is run after the tests, by title, each as a module and its arguments.

    Args:
        folder: For pictures and results.
        reference: ``["reference=CHECKOUT"]``, or nothing.
    """
    bench = ["memory=false", "precisions=[bf16-mixed]", f"logs={folder}/logs", "repeats=10", *reference]
    rate = [f"trainer.max_steps={STEPS}", f"trainer.val_check_interval={STEPS}", "logger=csv", f"logs={folder}/logs"]
    pictures = ["data=folders", f"data.content={folder}/content", f"data.style={folder}/style"]
    return {
        "training step, 256 px, batch 8 and 32": [
            "adain.cli.bench", "bench=stages", "batch_sizes=[8,32]", "profile=true", *bench,
        ],
        "stylizing, 256 and 512 px, batch 1 and 16": [
            "adain.cli.bench", "bench=stylize", "stylize_batch_sizes=[1,16]", *bench,
        ],
        f"{STEPS} steps of the paper's recipe, JPEGs of {SIZE[0]} x {SIZE[1]}": [
            "adain.cli.train", "experiment=paper", "model.init=shipped", *pictures, *rate,
        ],
    }  # fmt: skip


def write_pictures(folder: Path, number: int = 64) -> None:
    """Write JPEGs with as much detail as photographs have: about 100 KB each."""
    random = np.random.default_rng(0)
    for kind in ("content", "style"):
        (folder / kind).mkdir()
        for index in range(number):
            coarse = Image.fromarray(random.integers(0, 256, (60, 80, 3), dtype=np.uint8))
            coarse.resize(SIZE, Image.Resampling.BICUBIC).save(folder / kind / f"{index}.jpg", quality=90)


def run(title: str, *command: str) -> bool:
    """Run a command of this Python and say its title before and how it ended."""
    print(f"\n=== {title}\n    python -m {' '.join(command)}", flush=True)
    code = subprocess.run([sys.executable, "-m", *command], env={**os.environ, "ADAIN_TEST_GPU": "1"}).returncode
    if code:
        print(f"=== {title}: ended with code {code}", flush=True)
    return code == 0


def main(arguments: Sequence[str]) -> int:
    """Run all of it, whatever fails on the way; return 1 if anything did."""
    if unknown := [argument for argument in arguments if not argument.startswith("reference=")]:
        print(f"error: unknown argument {unknown[0]}: give reference=CHECKOUT or nothing", file=sys.stderr)
        return 2
    passed = [run("tests on the GPU", "pytest", "-m", "gpu", "-p", "no:cacheprovider", "tests/gpu")]
    with TemporaryDirectory() as place:
        folder = Path(place)
        write_pictures(folder)
        passed += [run(title, *command) for title, command in commands(folder, arguments).items()]
        for summary in folder.glob("logs/runs/**/summary.json"):
            print(f"pairs per second in the real loop: {json.loads(summary.read_text())['pairs_per_second']}")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
