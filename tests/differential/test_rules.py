"""Rules at their edges against the real Envoy, part by part."""

from __future__ import annotations

from pathlib import Path

import pytest

from .rules.parts import PARTS
from .rules.row import Part, make_case
from .runner import play

pytestmark = [pytest.mark.envoy, pytest.mark.slow]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_both_sides_agree(envoy: Path, part: Part) -> None:
    found = play(envoy, make_case(part))
    assert not [(d.request.id, d.request.method, d.request.path, d.differences) for d in found]
