"""``envoysim trace`` on a mesh's dump as a whole process, beside a process that only parses the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .mesh import Service
from .processes import only_parse, peak_bytes, seconds, trace

ROUNDS = 7
MAX_TIMES_PARSE = 2.0
MAX_TIMES_FILE = 3.0
SERVICE = Service(3)
URL = f"http://{SERVICE.host}:{SERVICE.ports[0]}/api/{SERVICE.short}"


def test_time(benchmark: Any, mesh_dump: Path) -> None:
    """The fastest of some rounds in turn, so that both meet the same machine."""
    parsed: list[float] = []
    traced: list[float] = []

    def both() -> None:
        parsed.append(seconds(only_parse(mesh_dump)))
        traced.append(seconds(trace(mesh_dump, URL)))

    benchmark.pedantic(both, rounds=ROUNDS)
    times = min(traced) / min(parsed)
    benchmark.extra_info.update(parse=round(min(parsed), 3), trace=round(min(traced), 3), times=round(times, 2))
    print(f"\ncold trace: {min(traced):.3f} s, parse alone {min(parsed):.3f} s, {times:.2f} times")
    assert times <= MAX_TIMES_PARSE


def test_memory(mesh_dump: Path) -> None:
    """The most memory a trace needs, as multiples of the file."""
    size = mesh_dump.stat().st_size
    peak = peak_bytes([mesh_dump], URL)
    print(f"\npeak memory: {peak / 1e6:.0f} MB for {size / 1e6:.0f} MB, {peak / size:.2f} times")
    assert peak <= MAX_TIMES_FILE * size
