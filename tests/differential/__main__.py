"""``python -m tests.differential [--seed N] [--seconds S | --cases N] [--shrink]``: exit 1 on any difference."""

from __future__ import annotations

import argparse
import json
import sys
import time

from envoysim.verify.binary import envoy_version, find_envoy
from envoysim.verify.local_address import local_address
from envoysim.verify.process import EnvoyFailed

from .keep import FOLDER, keep
from .runner import compare_all, observe, shrink
from .themes import THEMES, make


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the first case")
    parser.add_argument("--seconds", type=float, default=None, help="stop after this long")
    parser.add_argument("--cases", type=int, default=None, help="stop after this many cases")
    parser.add_argument("--shrink", action="store_true", help="make the first difference of a case small and print it")
    parser.add_argument("--keep", action="store_true", help="keep cases that differ, as fixtures")
    parser.add_argument("--keep-all", action="store_true", help="keep every case")
    parser.add_argument("--show", type=int, default=20, help="differences to print")
    parser.add_argument("--themes", default=",".join(THEMES), help="themes, by turns: %(default)s")
    options = parser.parse_args()
    themes = tuple(options.themes.split(","))
    binary = find_envoy()
    print(f"envoy {envoy_version(binary)}, first seed {options.seed}")
    start, seed, cases, requests, refused, wrong = time.monotonic(), options.seed, 0, 0, 0, 0
    while (options.seconds is None or time.monotonic() - start < options.seconds) and (
        options.cases is None or cases + refused < options.cases
    ):
        case = make(seed, themes)
        seed += 1
        try:
            judgement = observe(binary, case)
        except EnvoyFailed as error:
            refused += 1
            print(f"seed {case.seed} ({case.theme}) refused: {str(error)[:300]}")
            continue
        found = compare_all(case, judgement.config_dump, judgement.observed)
        if options.keep_all or (found and options.keep):
            print("kept", keep(case, judgement.config_dump, judgement.observed, local_address(), FOLDER).name)
        cases += 1
        requests += len(case.requests)
        for disagreement in found:
            wrong += 1
            if wrong <= options.show:
                q = disagreement.request
                what = "; ".join(
                    f"{d.field}: envoy {d.envoy!r} / envoysim {d.envoysim!r}" for d in disagreement.differences
                )
                print(f"seed {case.seed} ({case.theme}) request {q.id} {q.method} {q.authority}{q.path}: {what[:700]}")
        if found and options.shrink:
            small = shrink(binary, case, found[0].request)
            print(json.dumps(small.bootstrap["static_resources"]["listeners"][0]["filter_chains"], indent=1))
            print(small.requests[0])
    share = 100 * (requests - wrong) / max(requests, 1)
    print(
        f"seeds {options.seed} to {seed - 1}: {cases} configurations ({refused} refused by Envoy), {requests} requests"
    )
    print(f"{share:.2f} % agree, {wrong} differ")
    return 1 if wrong or not requests else 0


if __name__ == "__main__":
    sys.exit(main())
