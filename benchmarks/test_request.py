"""One complete simulated request: headers, filters, route, host, answer, outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from envoysim.load import load
from envoysim.model.request import Connection, Request
from envoysim.model.world import State, World
from envoysim.simulate import simulate
from envoysim.stages.proxy import Proxy

from .mesh import Service

MAX_US = 60.0
SERVICE = Service(3)
PORT = SERVICE.ports[0]
HEADERS = (
    ("user-agent", "curl/8.5.0"),
    ("accept", "*/*"),
    ("x-request-id", "4b1e4a32-6f2b-9c1e-8f2e-7d1e5a3c9b10"),
    ("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7"),
    ("cookie", "session=abc; theme=dark"),
)


@pytest.fixture(scope="module")
def proxy(mesh_dump: Path) -> Proxy:
    """The mesh's sidecar."""
    return Proxy(load([mesh_dump]))


CASES = {
    "a cluster by prefix": f"/api/{SERVICE.short}/x",
    "a cluster by regex": f"/{SERVICE.short}/7/details",
    "weighted clusters": "/",
}


@pytest.mark.parametrize("path", CASES.values(), ids=CASES)
def test_request(benchmark: Any, proxy: Proxy, path: str) -> None:
    """Through the virtual listener to a pod."""
    connection = Connection(listener="virtualOutbound", original_destination=f"{SERVICE.ip}:{PORT}")
    asked = Request(authority=f"{SERVICE.host}:{PORT}", path=path, headers=HEADERS, connection=connection)
    world, state = World(), State()
    outcome = simulate(proxy, asked, world, state).outcome
    assert outcome.status == 200
    assert outcome.endpoint is not None
    benchmark(simulate, proxy, asked, world, state)
    benchmark.extra_info["microseconds"] = round(benchmark.stats.stats.min * 1e6, 1)
    assert benchmark.stats.stats.min * 1e6 <= MAX_US
