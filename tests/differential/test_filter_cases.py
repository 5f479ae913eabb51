"""HTTP filters against the real Envoy, one configuration after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from envoysim.verify.ports import free_ports

from .filter_cases import ROWS
from .filter_rows import Row, make_case
from .runner import play

pytestmark = [pytest.mark.envoy, pytest.mark.slow]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_both_sides_agree(envoy: Path, row: Row) -> None:
    port, *endpoint_ports = free_ports(4)
    found = play(envoy, make_case(row, port, endpoint_ports))
    assert not [(d.request.method, d.request.path, d.request.headers, d.differences) for d in found]
