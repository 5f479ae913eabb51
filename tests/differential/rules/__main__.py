"""Play the rules on both sides: ``python -m tests.differential.rules [PART]``."""

from __future__ import annotations

import sys

from envoysim.verify.binary import find_envoy
from envoysim.verify.process import EnvoyFailed

from ..runner import play
from .parts import PARTS
from .row import make_case


def main(wanted: str = "") -> int:
    """Print one line per part, and one per request that differs; 1 where any does."""
    binary, wrong = find_envoy(None), 0
    for part in PARTS:
        if wanted not in part.name:
            continue
        case = make_case(part)
        try:
            found = play(binary, case)
        except EnvoyFailed as error:
            print(f"{part.name}: {error}")
            wrong += 1
            continue
        wrong += len(found)
        print(f"{part.name}: {len(part.rows)} rules, {len(case.requests)} requests, {len(found)} differ")
        for one in found:
            words = "; ".join(f"{d.field}: envoy {d.envoy!r}, envoysim {d.envoysim!r}" for d in one.differences)
            print(f"  {one.request.id} ({one.request.method} {one.request.path}): {words}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
