"""The kernels compiled for GPUs that this machine does not have: the interpreter accepts what Triton's compiler may not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton is not installed here")
PROGRAM = """
import re
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from adain.kernels import triton_kernels as kernels

def build(kernel, capability, pointers, **constants):
    names, types, divisible = kernel.arg_names, {}, {}
    for index, name in enumerate(names):
        types[name] = "constexpr" if name in constants else "fp32" if name == "eps" else "i32"
        if name in pointers:
            types[name] = f"*{pointers[name]}"
        if name in pointers or name in ("channels", "of_sample", "of_row", "of_column"):
            divisible[(index,)] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, types, {(names.index(name),): value for name, value in constants.items()}, divisible)
    built = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 8})
    assert built.asm["cubin"]
    scalar, vectors = (len(re.findall(pattern, built.asm["ptx"])) for pattern in (r"ld\\.global\\.b(16|32) ", r"global\\.v4"))
    print(kernel.__name__, capability, vectors, scalar)

tile, maps = {"POSITIONS": 64, "CHANNELS": 64}, ("y", "output", "gradient", "kept", "of_y")
of = lambda *names: {name: "bf16" if name in maps else "fp32" for name in names}
for pool, scale, border, moments in [(0, 1, 1, 1), (1, 1, 1, 0), (0, 2, 1, 0)]:
    options = dict(HAS_BIAS=True, RECTIFY=True, POOL=bool(pool), SCALE=scale, BORDER=border, MOMENTS=bool(moments), **tile)
    build(kernels.between_forward, 90, of("y", "bias", "output", "mean", "squares"), **options)
    pointers = of("gradient", "kept", "bias", "slope", "offset", "of_y", "of_bias")
    build(kernels.between_backward, 90, pointers, BIAS_LEARNS=True, **options)
build(kernels.tile_moments, 80, {"x": "bf16", **of("mean", "squares")}, **tile)
pointers = of("tile_mean", "tile_squares", "mean", "std")
build(kernels.merge_moments, 80, pointers, BORDER=1, ROWS=128, STEPS=4, POSITIONS=64, CHANNELS=16)
"""


@pytest.mark.slow
def test_they_compile_and_read_sixteen_bytes_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    built = [line.split() for line in done.stdout.splitlines()]
    assert len(built) == 8
    for name, _, vectors, scalar in built:
        assert int(vectors) > 0, name
        assert int(scalar) == 0, name
