"""Whole processes: how long they take and how much memory they need at most."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Sequence

PARSE = "import sys, simdjson; document = simdjson.Parser().load(sys.argv[1])"
PEAK = """
import atexit, sys
def tell():
    # What counts is this process: `ru_maxrss` would remember the one it was forked from.
    with open("/proc/self/status") as status:
        print(next(line.split()[1] for line in status if line.startswith("VmHWM")), file=sys.stderr)
atexit.register(tell)
from envoysim.cli.main import main
main()
"""


def seconds(command: Sequence[str]) -> float:
    """Run a command to its end and return the CPU time that it took: by the clock, a busy machine is measured too."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def only_parse(path: object) -> list[str]:
    """Parse a file with pysimdjson and do nothing else."""
    return [sys.executable, "-c", PARSE, str(path)]


def trace(path: object, url: str) -> list[str]:
    """Trace one request."""
    return [sys.executable, "-m", "envoysim", "trace", str(path), url]


def peak_bytes(paths: Sequence[object], url: str) -> int:
    """Trace one request and return the most memory the process had (Linux)."""
    command = [sys.executable, "-c", PEAK, "trace", *map(str, paths), url]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    return int(done.stderr.split()[-1]) * 1024
