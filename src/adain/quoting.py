"""Text in Hydra's grammar of overrides."""

from __future__ import annotations

import re


def quote(value: str) -> str:
    """A text in Hydra's quotes. Hydra takes a backslash for itself only before a quote."""
    return "'" + re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), value) + "'"
