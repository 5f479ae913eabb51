"""Turns: in which order weighted things are picked (``source/common/upstream/edf_scheduler.h``).

Envoy starts every schedule at a random place. Here the place is drawn as late as possible: the first pick draws
what is picked, by weight, and only what later picks need of the place is drawn after that. So shares are exact
when every draw is gone through, and turns are taken as Envoy takes them.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ...model.chance import Chance

if TYPE_CHECKING:
    from fractions import Fraction

MAX_PERIOD: Final = 2048
"""Longer schedules are not laid out: their first pick is drawn, the next ones follow from their deadlines."""


class Seed:
    """A random number of which only remainders are ever asked; a remainder is drawn when first needed."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, int] = {}

    def modulo(self, size: int, chance: Chance, label: str) -> int:
        """Return the number modulo ``size``."""
        if size <= 1:
            return 0
        found = self._known.get(size)
        if found is None:
            multiple = next((known for known in self._known if known % size == 0), 0)
            found = self._known[multiple] % size if multiple else chance.pick((1.0,) * size, label)
            self._known[size] = found
        return found


def whole_weights(weights: Sequence[float | Fraction]) -> tuple[int, ...]:
    """Return the smallest whole numbers in the same proportion."""
    from fractions import Fraction  # few clusters have weights

    exact = [weight if isinstance(weight, Fraction) else Fraction(weight) for weight in weights]
    common = math.lcm(*(weight.denominator for weight in exact))
    whole = [int(weight * common) for weight in exact]
    divisor = math.gcd(*whole) or 1
    return tuple(weight // divisor for weight in whole)


@lru_cache(maxsize=512)
def lay_out(weights: tuple[int, ...]) -> tuple[int, ...]:
    """Return one period of earliest-deadline-first picks (indices); equal deadlines in the order of insertion."""
    common = math.lcm(*weights)
    queue = [(common // weight, index, index) for index, weight in enumerate(weights)]
    heapq.heapify(queue)
    order = len(weights)
    picks = []
    for _ in range(sum(weights)):
        deadline, _, index = queue[0]
        picks.append(index)
        heapq.heapreplace(queue, (deadline + common // weights[index], order, index))
        order += 1
    return tuple(picks)


class Turns:
    """An endless schedule over indices with weights, from a random place on. Where weights change, equal deadlines go
    by insertion here; in Envoy the last digits of the random place decide.

    ``first_weights`` are those it begins with, where they are not yet what they will be.
    """

    __slots__ = ("_candidates", "_deadlines", "_first_weights", "_picks", "_taken", "weights")

    def __init__(self, weights: Sequence[float | Fraction], first_weights: Sequence[float] | None = None) -> None:
        self.weights = whole_weights(weights)
        self._first_weights = None
        if first_weights is not None:
            scale = self.weights[0] / float(weights[0])
            self._first_weights = [weight * scale for weight in first_weights]
        laid_out = self._first_weights is None and sum(self.weights) <= MAX_PERIOD
        self._picks = lay_out(self.weights) if laid_out else None
        self._candidates: list[int] | None = None
        """Places the schedule may have started at, as far as picks have told."""
        self._taken = 0
        self._deadlines: Deadlines | None = None

    def restart(self) -> None:
        """Go back to the (same) random place: the schedule was rebuilt from the same seed."""
        self._taken = 0
        self._deadlines = None

    def next(self, chance: Chance, label: str, factor: Callable[[int], float] | None = None) -> int:
        """Pick the next index. ``factor`` is what its weight is multiplied with when it goes back to the schedule."""
        if self._picks is None and self._deadlines is None:
            weights = self._first_weights or self.weights
            first = chance.pick(weights, label)
            laps = chance.uniform(0.0, 1.0, label) if self._first_weights is not None else 0.0
            self._deadlines = Deadlines(self.weights, first, self._first_weights, laps)
        if self._deadlines is not None:
            return self._deadlines.next(factor)
        index = self._next_laid_out(chance, label)
        if factor is not None and factor(index) != 1.0:
            self._deadlines = self._at_last_pick(chance, label)
            return self._deadlines.next(factor)
        return index

    def _next_laid_out(self, chance: Chance, label: str) -> int:
        picks = self._picks
        assert picks is not None
        period, taken = len(picks), self._taken
        self._taken = taken + 1
        candidates = self._candidates
        if candidates is None:
            index = chance.pick(self.weights, label)
            self._candidates = [place for place, pick in enumerate(picks) if pick == index]
            return index
        if len(candidates) == 1:
            return picks[(candidates[0] + taken) % period]
        following = [picks[(place + taken) % period] for place in candidates]
        options = sorted(set(following))
        index = options[chance.pick([following.count(option) for option in options], label)]
        self._candidates = [place for place, pick in zip(candidates, following, strict=True) if pick == index]
        return index

    def _at_last_pick(self, chance: Chance, label: str) -> Deadlines:
        """Return the schedule as it stood before the last pick: from here on weights change."""
        candidates = self._candidates
        assert candidates is not None
        place = candidates[chance.pick((1.0,) * len(candidates), label)]
        self._candidates = [place]
        deadlines = Deadlines(self.weights)
        for _ in range((place + self._taken - 1) % sum(self.weights)):
            deadlines.next()
        return deadlines


class Deadlines:
    """A schedule too long to lay out, or one whose weights change; from a place where ``first`` is due.

    ``first_weights`` are those of the first turns; ``laps`` of the lightest one's turns are over at the beginning.
    """

    __slots__ = ("_order", "_queue", "_weights")

    def __init__(
        self,
        weights: Sequence[float],
        first: int | None = None,
        first_weights: Sequence[float] | None = None,
        laps: float = 0.0,
    ) -> None:
        self._weights = first_weights or weights
        self._queue = [(1.0 / weight, index, index) for index, weight in enumerate(self._weights)]
        heapq.heapify(self._queue)
        self._order = len(weights)
        for _ in range(min(MAX_PERIOD, int(laps * sum(self._weights) / min(self._weights)))):
            self.next()
        while first is not None and self._queue[0][2] != first:
            self.next()
        self._weights = weights

    def next(self, factor: Callable[[int], float] | None = None) -> int:
        """Pick what is due; it is due again after the inverse of its weight, multiplied with ``factor``."""
        deadline, _, index = self._queue[0]
        weight = self._weights[index] if factor is None else self._weights[index] * factor(index)
        heapq.heapreplace(self._queue, (deadline + 1.0 / weight, self._order, index))
        self._order += 1
        return index
