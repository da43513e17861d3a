"""What an evaluation's folder keeps, and of what."""

from __future__ import annotations

from pathlib import Path

import pytest

from adain.evaluation.pairs import Pair
from adain.evaluation.store import Store
from adain.runtime.errors import UserError

PAIRS = [Pair("a", "x", Path("a.png"), Path("x.png")), Pair("b", "y", Path("b.png"), Path("y.png"))]


@pytest.mark.parametrize("changed", [{"content": "c"}, {"style": "z"}])
def test_a_folder_of_other_pairs_is_refused(changed: dict[str, str], tmp_path: Path) -> None:
    Store(tmp_path).open({"size": 64}, PAIRS)
    Store(tmp_path).open({"size": 64}, PAIRS)
    with pytest.raises(UserError, match="holds an evaluation with pairs="):
        Store(tmp_path).open({"size": 64}, [PAIRS[0], PAIRS[1]._replace(**changed)])  # type: ignore[arg-type]
    with pytest.raises(UserError, match="holds an evaluation with pairs="):
        Store(tmp_path).open({"size": 64}, PAIRS[::-1])  # rows are known by their place
