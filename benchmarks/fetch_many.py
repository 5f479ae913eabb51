"""Fetch very many resources over loopback: ``python benchmarks/fetch_many.py [NUMBER]`` (needs ``envoysim[grpc]``).

The control plane of the tests serves them from this process; each ``envoysim fetch`` is a process of its own, whose
time and largest memory are printed. An Envoy's admin interface is stood in for by a file served over HTTP.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fetch.control_plane import ControlPlane
from tests.fetch.mesh import eds, host, listener, rds, routes
from tests.fetch.test_admin import admin

LISTENERS = 100
HOSTS = 5


def resources(number: int) -> dict[str, dict[str, Any]]:
    """Half clusters, half endpoints, and a hundred listeners with routes of ten hosts each."""
    services = [f"outbound|8080||service-{i}.default.svc.cluster.local" for i in range((number - 2 * LISTENERS) // 2)]
    return {
        "clusters": {name: eds(name) for name in services},
        "endpoints": {name: assignment(name, i) for i, name in enumerate(services)},
        "listeners": {f"l{i}": listener(f"l{i}", 10000 + i, **rds(f"r{i}")) for i in range(LISTENERS)},
        "routes": {
            f"r{i}": routes(f"r{i}", services[i], *(f"h{i}-{j}.example.com" for j in range(10)))
            for i in range(LISTENERS)
        },
    }


def assignment(name: str, number: int) -> dict[str, Any]:
    addresses = [f"10.{number >> 8 & 255}.{number & 255}.{i}" for i in range(1, HOSTS + 1)]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [host(a) for a in addresses]}]}


def measure(*arguments: str) -> None:
    """Run ``envoysim fetch`` and print what it took."""
    started = time.monotonic()
    pid = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-m", "envoysim", "fetch", *arguments])
    _, status, usage = os.wait4(pid, 0)
    wall = time.monotonic() - started
    cpu = usage.ru_utime + usage.ru_stime
    size = Path(arguments[-1]).stat().st_size / 1e6
    what = "admin" if arguments[0] != "--ads" else "--ads --delta" if "--delta" in arguments else "--ads"
    print(
        f"{what}: exit {os.waitstatus_to_exitcode(status)}, {wall:.1f} s ({cpu:.1f} s CPU), "
        f"{usage.ru_maxrss / 1024:.0f} MB at most, file {size:.0f} MB",
        flush=True,
    )


def main(number: int) -> None:
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    with tempfile.TemporaryDirectory() as folder, ControlPlane() as plane:
        plane.put("1", **resources(number))
        path = str(Path(folder) / "dump.json")
        for variant in ([], ["--delta"]):
            measure("--ads", plane.address, *variant, "--node-id", "n", "--timeout", "300", "-o", path)
        answers = {
            "/config_dump?include_eds": Path(path).read_bytes(),
            "/clusters?format=json": {"cluster_statuses": []},
            "/server_info": {"state": "LIVE"},
        }
        with admin(answers) as (address, _):
            measure(address, "-o", str(Path(folder) / "again.json"))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
