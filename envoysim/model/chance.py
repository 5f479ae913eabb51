"""Where random choices come from: sampled, fixed, or gone through one by one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol


class Chance(Protocol):
    """Answers every random question of a simulation.

    ``variable`` names the random number Envoy would draw. Questions about the same variable of one
    request (``"stream"``: route fractions and weighted clusters share one number) get consistent
    answers; every other question is independent. ``label`` says in words what is decided.
    """

    def begin(self) -> None:
        """Forget per-request numbers: a new request starts."""

    def fraction(self, numerator: int, denominator: int, label: str, variable: str = "") -> bool:
        """Tell whether ``number % denominator < numerator``."""

    def pick(self, weights: Sequence[float], label: str, variable: str = "") -> int:
        """Return an index with probability proportional to its weight (integers for ``stream``)."""

    def uniform(self, low: float, high: float, label: str) -> float:
        """Return a number in ``[low, high)`` that only moves times (back-off, jitter)."""


class Sampled:
    """Draws from a seeded generator; ``value`` fixes the stream's number (router_check's random_value)."""

    def __init__(self, seed: int = 0, value: int | None = None) -> None:
        self._random = random.Random(seed)
        self._value = value
        self._stream: int | None = value

    def begin(self) -> None:
        """Draw a new stream number for the next request."""
        self._stream = self._value

    def _number(self, variable: str) -> int:
        if variable != "stream":
            return self._random.getrandbits(64)
        if self._stream is None:
            self._stream = self._random.getrandbits(64)
        return self._stream

    def fraction(self, numerator: int, denominator: int, label: str, variable: str = "") -> bool:
        """Tell whether the drawn number modulo ``denominator`` is below ``numerator``."""
        if numerator <= 0:
            return False
        return numerator >= denominator or self._number(variable) % denominator < numerator

    def pick(self, weights: Sequence[float], label: str, variable: str = "") -> int:
        """Walk the cumulated weights as Envoy's weighted clusters do."""
        if len(weights) == 1:
            return 0
        total = sum(weights)
        if variable == "stream":
            point: float = self._number(variable) % int(total)
        else:
            point = self._random.random() * total
        for index, weight in enumerate(weights):
            if point < weight:
                return index
            point -= weight
        return len(weights) - 1

    def uniform(self, low: float, high: float, label: str) -> float:
        """Draw a time."""
        return self._random.uniform(low, high)
