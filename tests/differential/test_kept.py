"""What the real Envoy was seen to do, without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .keep import all_kept, read


@pytest.mark.parametrize("path", all_kept(), ids=lambda path: path.stem)
def test_the_simulation_agrees_with_what_was_seen(path: Path) -> None:
    found = read(path).differences()

    assert not [(seen.request.id, seen.request.path, differences) for seen, differences in found]
