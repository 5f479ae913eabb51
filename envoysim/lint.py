"""Run checks over a dump: select, run, fold, sort, compare with a baseline."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace

from .checks import ALL
from .checks.base import Check
from .checks.subject import Subject
from .checks.trail import Trails
from .errors import OptionError
from .load.dump import Dump
from .model.finding import SEVERITIES, Finding, Place

Key = tuple[str, str, str]
FAMILY = "ESM"
"""What every code begins with: the least that selects by code."""
NAMES = re.compile(r"`[^`]*`|\d+")
FOLD_OVER = 3
"""Findings of one rule that say the same are folded into the first where they are more than these."""


def select(only: Sequence[str] = (), without: Sequence[str] = ()) -> tuple[Check, ...]:
    """Return the checks whose code starts with (or whose name fits) one of ``only``, less those of ``without``.

    Raises OptionError for a selector that fits no rule, or where none is left.
    """
    for selector in (*only, *without):
        if not any(_fits(check, selector) for check in ALL):
            names = [word for check in ALL for word in (check.code, check.name)]
            close = difflib.get_close_matches(selector, names, n=1)
            hint = f"did you mean `{close[0]}`?" if close else "`envoysim explain` lists the rules"
            raise OptionError(f"unknown rule `{selector}`", help=hint)
    chosen = tuple(
        check
        for check in ALL
        if (not only or any(_fits(check, s) for s in only)) and not any(_fits(check, s) for s in without)
    )
    if not chosen:
        raise OptionError("no rule is left: everything that is selected is ignored too")
    return chosen


def _fits(check: Check, selector: str) -> bool:
    begins = len(selector) >= len(FAMILY) and check.code.startswith(selector.upper())
    return begins or fnmatch.fnmatchcase(check.name, selector)


def lint(
    dump: Dump,
    checks: Iterable[Check] = ALL,
    *,
    known: Set[str] = frozenset(),
    folded: bool = False,
    identified: bool = False,
) -> Iterator[tuple[Check, list[Finding]]]:
    """Yield each check with what it finds, less what is ``known`` by its fingerprint, ``folded`` on the way.

    Fingerprints are written into the findings where they are asked for (``identified``). A check that fails raises,
    naming itself.
    """
    subject = Subject(dump)
    trails = Trails(subject)
    for check in checks:
        try:
            found = check.find(subject)
            if known or identified:
                told = (replace(f, fingerprint=trails.fingerprint(f)) for f in found)
                found = (f for f in told if f.fingerprint not in known)
            kept = fold(found) if folded else list(found)
            yield check, [replace(f, trail=trails.of(f.ref)) for f in kept]
        except Exception as error:
            error.add_note(f"in check {check.code} ({check.name})")
            raise


def findings(dump: Dump, checks: Iterable[Check] = ALL) -> list[Finding]:
    """Return all findings, worst first, the alike folded."""
    return sort(finding for _, some in lint(dump, checks, folded=True, identified=True) for finding in some)


def fold(found: Iterable[Finding]) -> list[Finding]:
    """Fold findings of one rule that say the same into the first of them, which keeps the places of the others."""
    groups: dict[Key, list[Finding]] = {}
    more: dict[Key, list[Place]] = {}
    for finding in found:
        key: Key = (finding.code, finding.severity, finding.fold or _said(finding))
        group = groups.setdefault(key, [])
        if len(group) < FOLD_OVER:
            group.append(finding)
        else:
            more.setdefault(key, [Place(f.ref, f.fingerprint) for f in group[1:]]).append(
                Place(finding.ref, finding.fingerprint)
            )
    kept: list[Finding] = []
    for key, group in groups.items():
        kept += [replace(group[0], places=tuple(more[key]))] if key in more else group
    return kept


def _said(finding: Finding) -> str:
    """What findings say alike; a hint says the same of many resources, whatever their names and numbers are."""
    return NAMES.sub("", finding.message) if finding.severity == "info" else finding.message


def sort(found: Iterable[Finding]) -> list[Finding]:
    """Worst first, then by code and place."""
    return sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.code, f.ref.source, str(f.ref)))
