"""Run checks over a dump: select, run, fold, sort, compare with a baseline."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from .checks import ALL
from .checks.base import Check
from .checks.subject import Subject
from .errors import OptionError
from .load.dump import Dump
from .model.finding import SEVERITIES, Finding

FOLD_OVER = 3
"""Findings of one rule with the same message beyond this many are folded into the first, with a count."""


def select(only: Sequence[str] = (), without: Sequence[str] = ()) -> tuple[Check, ...]:
    """Return the checks whose code starts with (or whose name is) one of ``only``, less those of ``without``.

    Raises OptionError for a selector that fits no rule.
    """
    for selector in (*only, *without):
        if not any(_fits(check, selector) for check in ALL):
            import difflib

            names = [word for check in ALL for word in (check.code, check.name)]
            close = difflib.get_close_matches(selector, names, n=1)
            hint = f"did you mean `{close[0]}`?" if close else "`envoysim explain` lists the rules"
            raise OptionError(f"unknown rule `{selector}`", help=hint)
    return tuple(
        check
        for check in ALL
        if (not only or any(_fits(check, s) for s in only)) and not any(_fits(check, s) for s in without)
    )


def _fits(check: Check, selector: str) -> bool:
    return check.code.startswith(selector.upper()) or fnmatch.fnmatchcase(check.name, selector)


def lint(dump: Dump, checks: Iterable[Check] = ALL, *, folded: bool = False) -> Iterator[tuple[Check, list[Finding]]]:
    """Yield each check with what it finds, ``folded`` on the way; a check that fails raises, naming itself."""
    subject = Subject(dump)
    for check in checks:
        try:
            yield check, fold(check.find(subject)) if folded else list(check.find(subject))
        except Exception as error:
            error.add_note(f"in check {check.code} ({check.name})")
            raise


def findings(dump: Dump, checks: Iterable[Check] = ALL) -> list[Finding]:
    """Return all findings, worst first, the alike folded."""
    return sort(finding for _, some in lint(dump, checks, folded=True) for finding in some)


def fold(found: Iterable[Finding]) -> list[Finding]:
    """Fold findings of one rule that say the same into one with a count."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for finding in found:
        key = (finding.code, finding.message)
        counts[key] += 1
        if counts[key] <= FOLD_OVER:
            groups.setdefault(key, []).append(finding)
    kept: list[Finding] = []
    for key, group in groups.items():
        kept += group if counts[key] <= FOLD_OVER else [replace(group[0], count=counts[key])]
    return kept


def sort(found: Iterable[Finding]) -> list[Finding]:
    """Worst first, then by code and place."""
    return sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.code, f.ref.source, str(f.ref)))
