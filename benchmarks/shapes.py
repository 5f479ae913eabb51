"""The same mesh in the shapes operators have: ``python benchmarks/shapes.py [--megabytes 64] [--rounds 3]``.

Every trace runs in turn with a process that only parses the uncompressed whole; see ``compare.py``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.compare import run  # run as a script, too
from benchmarks.mesh import Service, mesh, route_configuration, virtual_host, write_mesh
from benchmarks.processes import only_parse, peak_bytes

SECTIONS = {1: "clusters", 2: "endpoints", 3: "listeners", 5: "routes"}
ROUTES = 10_000


def camel(value: Any) -> Any:
    """Spell the fields as istioctl and egctl do; keys that are names of extensions stay."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key if re.search(r"[.@/]", key) else re.sub(r"_([a-z0-9])", lambda m: m[1].upper(), key): camel(item)
        for key, item in value.items()
    }


def one_virtual_host() -> Any:
    """A small mesh with ten thousand routes in one virtual host."""
    service = Service(3)
    host = virtual_host(service, 9080)
    last = host["routes"][-1]
    many = [{**last, "match": {"prefix": f"/item-{i}"}, "name": f"r{i}"} for i in range(ROUTES)]
    routes = route_configuration(9080, [])
    routes["route_config"]["virtual_hosts"].insert(0, {**host, "routes": [*many, last]})
    dump = mesh([Service(i) for i in range(8)])
    dump["configs"][5]["dynamic_route_configs"] = [routes]
    return dump


def compare(name: str, files: list[Path], url: str, whole: Path, rounds: int) -> None:
    """Print the CPU of a trace beside that of parsing, and its largest memory."""
    trace = [sys.executable, "-m", "envoysim", "trace", *map(str, files), url]
    parse = only_parse(whole)
    run(trace), run(parse)  # what is read for the first time is not counted
    pairs = [(run(trace)[0], run(parse)[0]) for _ in range(rounds)]
    size, ratios = whole.stat().st_size, [ours / theirs for ours, theirs in pairs]
    cpu, peak = statistics.median(ours for ours, _ in pairs), peak_bytes(files, url)
    print(f"{name:24} {size / 1e6:8.1f} {statistics.median(ratios):8.2f} {cpu:8.3f} {peak / size:8.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="time traces of dumps in several shapes")
    parser.add_argument("--megabytes", type=float, default=64.0, help="size of the mesh's dump")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        whole = folder / "dump.json"
        count = write_mesh(whole, arguments.megabytes)
        last = Service(count - 1 - (Service(count - 1).tcp_port is not None))
        url = f"http://{last.host}:{last.ports[0]}/"
        dump = json.loads(whole.read_bytes())
        named = camel(dump)

        def written(name: str, content: Any, indent: int | None = 1) -> Path:
            path = folder / name
            path.write_text(json.dumps(content, indent=indent, separators=None if indent else (",", ":")))
            return path

        packed = folder / "dump.json.gz"
        packed.write_bytes(gzip.compress(whole.read_bytes(), 1))
        parts = [written(f"{part}.json", {"configs": [dump["configs"][i]]}) for i, part in SECTIONS.items()]
        compact = written("compact.json", dump, None)
        istioctl = written("istioctl.json", named, 4)
        egctl = written("egctl.json", {"gateways": {"envoy-1": {"configDump": named}}}, 2)
        routes = written("routes_only.json", one_virtual_host())
        del dump, named
        print(f"{'shape':24} {'MB':>8} {'times':>8} {'CPU s':>8} {'memory':>8}")
        for name, path in (("indent 1", whole), ("compact", compact), ("istioctl", istioctl), ("egctl", egctl)):
            compare(name, [path], url, path, arguments.rounds)
        compare("four files", parts, url, whole, arguments.rounds)
        compare("gzip", [packed], url, whole, arguments.rounds)
        service = Service(3)
        compare("10,000 routes", [routes], f"http://{service.host}:9080/item-9999", routes, arguments.rounds)


if __name__ == "__main__":
    main()
