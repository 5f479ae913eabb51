"""Play the rules on both sides: ``python -m tests.differential.rules [PART] [--keep]``."""

from __future__ import annotations

import sys
from dataclasses import replace

from envoysim.verify.binary import find_envoy
from envoysim.verify.local_address import local_address
from envoysim.verify.process import EnvoyFailed

from ..keep import FOLDER, keep
from ..runner import compare_all, observe
from .parts import PARTS
from .row import make_case


def main(*arguments: str) -> int:
    """Print one line per part, and one per request that differs; 1 where any does. ``--keep`` writes what was seen."""
    wanted = next((a for a in arguments if not a.startswith("-")), "")
    binary, wrong = find_envoy(None), 0
    for part in PARTS:
        if wanted not in part.name:
            continue
        case = make_case(part)
        try:
            judgement = observe(binary, case)
        except EnvoyFailed as error:
            print(f"{part.name}: {error}")
            wrong += 1
            continue
        found = compare_all(case, judgement.config_dump, judgement.observed)
        wrong += len(found)
        print(f"{part.name}: {len(part.rows)} rules, {len(case.requests)} requests, {len(found)} differ")
        for one in found:
            words = "; ".join(f"{d.field}: envoy {d.envoy!r}, envoysim {d.envoysim!r}" for d in one.differences)
            print(f"  {one.request.id} ({one.request.method} {one.request.path}): {words}")
        if "--keep" in arguments:
            named = replace(case, theme="rules_" + part.name.replace(":", "").replace(" ", "_"))
            keep(named, judgement.config_dump, judgement.observed, local_address(), FOLDER, packed=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
