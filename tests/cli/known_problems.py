"""``python -m tests.cli.known_problems``: how well each known problem is diagnosed, four points a case.

Outcome: what the real Envoy did, given what the report says of the upstream. Element: the place of the cause, or one at
most two steps above it, is named by ``check`` or ``trace``. Cause: one finding, or the trace, has every keyword. Fix:
``check`` proposes one at the element, and those that were tried on the real Envoy change the simulated outcome as they
did there; whether both mean the same is for the reader: they are printed side by side.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from envoysim.cli.main import cli

from .test_known_problems import CASES, UPSTREAM, at_once, fixes, summary, trace, trace_text, with_room

Json = dict[str, Any]
POINTS = ("outcome", "element", "cause", "fix")


def main() -> int:
    """Print a line per case and the total; 1 when a point is missing, 2 when the cases are not at hand."""
    if not CASES:
        print("the cases are not at hand", file=sys.stderr)
        return 2
    total = 0
    for number, folder in CASES.items():
        dump, case = json.loads((folder / "dump.json").read_text()), json.loads((folder / "case.json").read_text())
        with tempfile.TemporaryDirectory() as work:
            points, words = _points(number, dump, case, Path(work))
        total += sum(points)
        marks = " ".join(f"{name} {point:d}" for name, point in zip(POINTS, points, strict=True))
        tried = "; ".join(fix["change"] for fix in case["fixes_tried"])
        print(f"{case['id']:36} {marks}\n    proposed: {words}\n    tried:    {tried}")
    print(f"{total} of {4 * len(CASES)} points")
    return 0 if total == 4 * len(CASES) else 1


def _points(number: str, dump: Json, case: Json, work: Path) -> tuple[tuple[bool, bool, bool, bool], str]:
    upstream = UPSTREAM.get(number, [])
    told = trace(dump, case, work, upstream)
    text = trace_text(dump, case, work, [*upstream, "-v"])
    checked = CliRunner().invoke(cli, ["check", str(work / "dump.json"), "-o", "json"])
    findings = json.loads(checked.stdout)["findings"]
    places = _above(case["root_cause_pointer"])
    here = [f for f in findings if _named(json.dumps(f), places)]
    element = bool(here) or _named(text, places) or _named(json.dumps(told), places)
    said = [json.dumps(f).lower() for f in findings] + [text.lower()]
    cause = any(all(any(w.strip().lower() in s for w in k.split("|")) for k in case["keywords"]) for s in said)
    fix = bool(here) and _mended(number, dump, case, work)
    proposed = " | ".join(f"{f['code']} {f['fix']}" for f in here) or "nothing at the element"
    return (_as_envoy(told, dump, case), element, cause, fix), proposed


def _above(pointer: str) -> list[str]:
    steps = pointer.split("/")
    return ["/".join(steps[: len(steps) - up]) for up in range(3)]


def _named(text: str, places: list[str]) -> bool:
    return any(f"{place}{end}" in text for place in places for end in ('"', "/", " ", "\n"))


def _as_envoy(told: Json, dump: Json, case: Json) -> bool:
    observed = case["observed"]
    flags = ",".join(sorted(observed["response_flags"].split(",")))
    if "concurrency" in case["request"]:
        outcomes = at_once(dump, case)
    else:
        outcomes = [share["outcome"] for share in told.get("shares", [])] or [told["outcome"]]
    return (observed["status"], flags, observed["response_code_details"]) in map(summary, outcomes)


def _mended(number: str, dump: Json, case: Json, work: Path) -> bool:
    """Whether every fix that was tried on Envoy changes the simulated outcome in the same way."""
    mine = [row.values for row in fixes() if row.values[0] == number]
    if not mine:
        return with_room() == {200: 12}
    for _, edit, (status, words) in mine:
        changed = json.loads(json.dumps(dump))
        edit(changed)
        told = trace(changed, case, work, UPSTREAM.get(number, []))
        outcomes = [share["outcome"] for share in told.get("shares", [])] or [told["outcome"]]
        if {o["status"] for o in outcomes} != {status}:
            return False
        if not all(words in f"{o['response_code_details']} {o['cluster']}" for o in outcomes):
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
