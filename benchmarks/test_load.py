"""Loading: from the file to an index of what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import simdjson

from envoysim.load import load

from .mesh import Service


def test_only_parse(benchmark: Any, mesh_dump: Path) -> None:
    """The measure of the rest: pysimdjson alone."""
    benchmark(lambda: simdjson.Parser().load(str(mesh_dump)))


def test_load_and_index(benchmark: Any, mesh_dump: Path) -> None:
    """Read the file and look up one resource of each kind."""
    service = Service(3)

    def look() -> None:
        dump = load([mesh_dump])
        name = service.cluster(service.ports[0], "v1")
        assert name in dump.clusters
        assert name in dump.load_assignments
        assert str(service.ports[0]) in dump.route_configurations
        assert len(dump.listeners) > len(service.ports)

    benchmark(look)


def test_decode_one_virtual_host(benchmark: Any, mesh_dump: Path) -> None:
    """A virtual host is decoded without the rest of its route configuration."""
    routes = load([mesh_dump]).route_configurations["9080"]
    count = routes.virtual_host_count
    assert count > 10
    benchmark(lambda: routes.virtual_host(count // 2))
