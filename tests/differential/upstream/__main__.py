"""``python -m tests.differential.upstream [--seed N] [--part NAME]``: one line per part; exit 1 on any difference."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from envoysim.verify.binary import envoy_version, find_envoy

from . import chi_square, ejection, hosts, retries, timeouts
from .findings import Findings

PARTS: dict[str, Callable[[Path, int], Findings]] = {
    "retries": retries.play,
    "hosts": hosts.play,
    "ejection": ejection.play,
    "timeouts": timeouts.play,
    "chi_square": chi_square.play,
}


def main() -> int:
    """Play the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of whatever is drawn")
    parser.add_argument("--part", choices=sorted(PARTS), action="append", help="only this part (repeatable)")
    parser.add_argument("--show", type=int, default=20, help="differences to print of each part")
    options = parser.parse_args()
    binary = find_envoy()
    print(f"envoy {envoy_version(binary)}, seed {options.seed}", flush=True)
    wrong = 0
    for name in options.part or PARTS:
        findings = PARTS[name](binary, options.seed)
        wrong += len(findings.differences)
        print(findings, flush=True)
        for line in findings.differences[: options.show]:
            print("  " + line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
