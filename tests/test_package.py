"""What an installed package brings along."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_templates_styles_weights_and_configurations() -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="needs the extra dev").WheelBuilder(str(ROOT))
    packed = {file.distribution_path for file in wheel.recurse_included_files()}
    sources = {
        path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "adain").rglob("*") if path.is_file()
    }
    needed = {name for name in sources if not name.endswith((".pyc", ".py"))}
    needed |= {f"adain/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "conf").rglob("*.yaml")}
    assert {"adain/evaluation/page.html.jinja", "adain/nn/decoder.safetensors", "adain/conf/train.yaml"} <= needed
    assert needed <= packed
