"""Access log lines against the real Envoy: every format, every way a request or connection ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .log_lines import FORMATS, Lines, compare, connections, http, without_bytes

pytestmark = [pytest.mark.envoy, pytest.mark.slow]


CASES = {"http": (http, FORMATS), "connections": (connections, tuple(map(without_bytes, FORMATS)))}


@pytest.mark.parametrize("name", CASES)
def test_lines_are_the_same(envoy: Path, name: str) -> None:
    written = list(compare(envoy, *CASES[name]))
    assert all(len(lines.real) == len(lines.simulated) and all(lines.real) for lines in written)
    assert [found for lines in written for found in differences(lines)] == []


def differences(lines: Lines) -> Iterator[tuple[str, str, object, object]]:
    for real, simulated in zip(lines.real, lines.simulated, strict=True):
        if not real.startswith("{"):
            if real != simulated:
                yield lines.request, "text", real, simulated
            continue
        theirs, ours = json.loads(real), json.loads(simulated)
        found = {key for key in theirs if theirs[key] != ours.get(key)} | (ours.keys() - theirs.keys())
        yield from ((lines.request, key, theirs.get(key), ours.get(key)) for key in sorted(found))
        if not found and real != simulated:
            yield lines.request, "order", real, simulated
