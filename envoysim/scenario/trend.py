"""Notices when a cluster's requests start to fail or to be retried a lot, and when that is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .tally import Cell

ENOUGH: Final = 50
"""Requests that a judgement needs."""
FAILING, FINE = 0.9, 0.97
"""Below the first success rate it is said that requests fail; from the second on, that they succeed again."""
STORMY, CALM = 1.5, 1.2
"""The same for attempts per request."""
HARMLESS: Final = frozenset({"DI"})
"""Flags that are no reason to fail: a delay was injected."""


class Trend:
    """One cluster's trend; stretches with few requests are judged together."""

    __slots__ = ("_failing", "_gathered", "_say", "_stormy")

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self._say = say
        self._gathered = Cell()
        self._failing = False
        self._stormy = False

    def add(self, cell: Cell) -> None:
        """Take one more stretch of time into account."""
        gathered = self._gathered
        gathered.add(cell)
        if gathered.requests < ENOUGH:
            return
        self._gathered = Cell()
        ok, amplification = gathered.ok / gathered.requests, gathered.attempts / gathered.requests
        if ok < FAILING and not self._failing:
            self._failing = True
            self._say("failing", f"{1 - ok:.0%} of the requests fail: {_failures(gathered)}")
        elif ok >= FINE and self._failing:
            self._failing = False
            self._say("fine", f"requests succeed again: {ok:.1%}")
        if amplification >= STORMY and not self._stormy:
            self._stormy = True
            self._say("storm", f"retries amplify: {amplification:.2f} attempts per request")
        elif amplification < CALM and self._stormy:
            self._stormy = False
            self._say("calm", f"retries are few again: {amplification:.2f} attempts per request")


def _failures(cell: Cell) -> str:
    """Say with which statuses and flags requests ended that did not succeed."""
    statuses = [f"{word} x{count}" for word, count in cell.statuses.items() if not word.isdigit() or int(word) >= 500]
    flags = [f"{word} x{count}" for word, count in cell.flags.items() if word not in HARMLESS]
    said = ", ".join(sorted(statuses)) or "errors in grpc-status"
    return f"{said} ({', '.join(sorted(flags))})" if flags else said
