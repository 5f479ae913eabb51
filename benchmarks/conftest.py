"""A mesh-sized dump for every benchmark of a session: ``pytest benchmarks --megabytes 64``."""

from __future__ import annotations

from pathlib import Path

import pytest

from .mesh import write_mesh


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the size be chosen."""
    parser.addoption("--megabytes", type=float, default=64.0, help="size of the mesh's dump (64)")


@pytest.fixture(scope="session")
def mesh_dump(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the dump."""
    path = tmp_path_factory.mktemp("mesh") / "dump.json"
    write_mesh(path, request.config.getoption("--megabytes"))
    return path
