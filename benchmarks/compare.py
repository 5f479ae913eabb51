"""Whole processes side by side: ``python benchmarks/compare.py [--megabytes 64] [--rounds 9]``.

Every command runs in turn with one that only parses the same file with pysimdjson, so that both meet the same machine;
a ratio is taken pair by pair. CPU is user and system time of the finished process; wall time says little on a busy
machine.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.mesh import Service, write_mesh  # run as a script, too
from benchmarks.processes import only_parse, trace

READ_AND_PARSE = "import sys, simdjson; document = simdjson.Parser().parse(open(sys.argv[1], 'rb').read())"


def run(command: Sequence[str]) -> tuple[float, float]:
    """Run a command to its end; return its CPU and its wall time in seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):  # `check` exits 1 with findings
        raise SystemExit(f"{command}: exit {done.returncode}\n{done.stderr.decode()}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def compare(name: str, command: Sequence[str], baseline: Sequence[str], rounds: int) -> None:
    """Print the times of ``command`` and its ratio to ``baseline``."""
    run(command), run(baseline)  # what is read for the first time is not counted
    pairs = [(run(command), run(baseline)) for _ in range(rounds)]
    ratios = [ours[0] / theirs[0] for ours, theirs in pairs]
    cpu, wall = ([ours[i] for ours, _ in pairs] for i in (0, 1))
    print(
        f"{name:24} {statistics.median(ratios):8.2f} {min(ratios):8.2f} {max(ratios):8.2f}"
        f" {statistics.median(cpu):10.3f} {min(cpu):8.3f} {min(wall):8.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="time commands beside a process that only parses the file")
    parser.add_argument("--megabytes", type=float, default=64.0, help="size of the mesh's dump")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "dump.json"
        count = write_mesh(dump, arguments.megabytes)
        first, last = Service(3), Service(count - 1 - (Service(count - 1).tcp_port is not None))
        envoysim = [sys.executable, "-m", "envoysim"]
        parse, read = only_parse(dump), [sys.executable, "-c", READ_AND_PARSE, str(dump)]
        print(f"{dump.stat().st_size / 1e6:.1f} MB, {count} services, {arguments.rounds} pairs")
        print(f"{'command':24} {'times':>8} {'min':>8} {'max':>8} {'CPU s':>10} {'min':>8} {'wall min':>8}")
        compare("parse (the measure)", parse, parse, arguments.rounds)
        compare("read, then parse", read, parse, arguments.rounds)
        compare("trace, first service", trace(dump, f"http://{first.host}:{first.ports[0]}/"), parse, arguments.rounds)
        compare("trace, last service", trace(dump, f"http://{last.host}:{last.ports[0]}/"), parse, arguments.rounds)
        compare("inspect", [*envoysim, "inspect", str(dump)], parse, max(1, arguments.rounds // 3))
        compare("check", [*envoysim, "check", str(dump)], parse, max(1, arguments.rounds // 3))
        compare("envoysim --help", [*envoysim, "--help"], parse, arguments.rounds)
        compare("import envoysim", [sys.executable, "-c", "import envoysim"], parse, arguments.rounds)


if __name__ == "__main__":
    main()
