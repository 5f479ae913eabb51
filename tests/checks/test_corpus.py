"""All rules over a corpus of real configurations, where it is at hand: nothing crashes, and little is an error."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from envoysim.lint import findings
from envoysim.load import load

CORPUS = Path(os.environ.get("ENVOYSIM_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
SAMPLE = 4
MOST_ERRORS = 0.25
"""The share of configurations with an error: most are written to work."""


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus at hand")
def test_real_configurations() -> None:
    cases = json.loads((CORPUS / "MANIFEST.json").read_text(encoding="utf-8"))
    paths = [CORPUS / name for case in cases for name in case.get("dumps", ())][::SAMPLE]
    wrong = [path for path in paths if any(f.severity == "error" for f in findings(load([path])))]

    assert paths
    assert len(wrong) <= MOST_ERRORS * len(paths)
