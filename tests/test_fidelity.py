"""The page on what is modelled names code and evidence that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [
    line for line in (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")
]
PATHS = sorted(set(re.findall(r"`([\w/]+(?:\.\w+|/))`", "\n".join(ROWS))))


@pytest.mark.parametrize("path", PATHS)
def test_it_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_rows_name_code_and_evidence() -> None:
    assert len(PATHS) > 15
    for row in ROWS[1:]:
        behaviour, code, evidence = (cell.strip() for cell in row.strip("|").split("|"))
        assert behaviour == "---" or ("envoysim/" in code and "tests/" in evidence), row
