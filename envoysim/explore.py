"""Play the same request over every random choice and weigh the outcomes: exact shares, no sampling."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from .lazy_dataclass import dataclass
from .model.chance import Chance
from .model.outcome import Outcome
from .model.request import Request
from .model.trace import Trace
from .model.world import State, World
from .simulate import simulate
from .stages.proxy import Proxy

MAX_PATHS = 512
"""Paths played before the rest is summed up as unexplored; the likeliest go first."""

MAX_INTERVALS = 20_000
"""Beyond this many intervals a shared random number is treated as independent."""


@dataclass(frozen=True, slots=True)
class Explored:
    """Weighted traces, likeliest first; shares add up to ``1 - unexplored``."""

    shares: tuple[tuple[float, Trace], ...]
    unexplored: float = 0.0

    @property
    def likeliest(self) -> Trace:
        """The trace with the largest share."""
        return self.shares[0][1]


class Scripted:
    """A Chance that follows a script of branch numbers, takes branch 0 after its end, and notes shares."""

    def __init__(self, script: Sequence[int]) -> None:
        self._script = script
        self.branches: list[tuple[int, tuple[float, ...]]] = []
        self.begin()

    def begin(self) -> None:
        """Forget what is known of the stream's number: uniform over one value."""
        self._modulus = 1
        self._domain: list[tuple[int, int]] = [(0, 1)]

    def _take(self, shares: Sequence[float]) -> int:
        position = len(self.branches)
        if position < len(self._script):
            branch = self._script[position]
        else:
            branch = max(range(len(shares)), key=lambda i: shares[i])
        self.branches.append((branch, tuple(shares)))
        return branch

    def fraction(self, numerator: int, denominator: int, label: str, variable: str = "") -> bool:
        """Branch 0: yes; branch 1: no."""
        if numerator <= 0 or numerator >= denominator:
            return numerator >= denominator
        return self.pick((numerator, denominator - numerator), label, variable) == 0

    def pick(self, weights: Sequence[float], label: str, variable: str = "") -> int:
        """One branch per index with a weight."""
        options = [i for i, weight in enumerate(weights) if weight > 0]
        if len(options) <= 1:
            return options[0] if options else 0
        if variable == "stream" and (parts := self._split([int(w) for w in weights])) is not None:
            sizes = [sum(high - low for low, high in part) for part in parts]
            options = [i for i in options if sizes[i]]
            if len(options) == 1:
                return options[0]
            total = sum(sizes)
            index = options[self._take([sizes[i] / total for i in options])]
            self._domain = parts[index]
            return index
        total_weight = sum(weights)
        return options[self._take([weights[i] / total_weight for i in options])]

    def uniform(self, low: float, high: float, label: str) -> float:
        """Times are not explored: the middle stands for all."""
        return (low + high) / 2

    def _split(self, weights: Sequence[int]) -> list[list[tuple[int, int]]] | None:
        """Part the stream number's domain by ``number % sum(weights)``; ``None`` if that grows too large."""
        total = sum(weights)
        common = math.lcm(self._modulus, total)
        copies, turns = common // self._modulus, common // total
        if len(self._domain) * copies + turns * len(weights) > MAX_INTERVALS:
            return None
        domain = [(c * self._modulus + lo, c * self._modulus + hi) for c in range(copies) for lo, hi in self._domain]
        parts: list[list[tuple[int, int]]] = []
        start = 0
        for weight in weights:
            cuts = [(t * total + start, t * total + start + weight) for t in range(turns)]
            parts.append(_intersect(domain, cuts))
            start += weight
        self._modulus = common
        return parts


def _intersect(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        low, high = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if low < high:
            found.append((low, high))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return found


def explore(
    proxy: Proxy,
    request: Request,
    world: World,
    *,
    max_paths: int = MAX_PATHS,
    progress: Callable[[float], None] | None = None,
) -> Explored:
    """Return every outcome of ``request`` on a fresh worker with its exact share.

    Equal outcomes are summed (endpoint, route, answer and attempts decide). ``progress`` is told the share
    that has been gone through (0 to 1).
    """
    merged: dict[object, tuple[float, Trace]] = {}
    heap: list[tuple[float, int, tuple[int, ...]]] = [(-1.0, 0, ())]
    played, covered, counter = 0, 0.0, 0
    while heap and played < max_paths:
        _, _, script = heapq.heappop(heap)
        chance = Scripted(script)
        trace = simulate(proxy, request, replace(world, chance=chance), State())
        played += 1
        share = math.prod(shares[branch] for branch, shares in chance.branches)
        covered += share
        key = _key(trace.outcome)
        known = merged.get(key)
        merged[key] = (share + known[0], known[1]) if known else (share, trace)
        prefix_share = math.prod(shares[branch] for branch, shares in chance.branches[: len(script)])
        for position in range(len(script), len(chance.branches)):
            branch, shares = chance.branches[position]
            taken = tuple(b for b, _ in chance.branches[:position])
            for other, other_share in enumerate(shares):
                if other != branch and other_share > 0:
                    counter += 1
                    heapq.heappush(heap, (-prefix_share * other_share, counter, (*taken, other)))
            prefix_share *= shares[branch]
        if progress is not None:
            progress(covered)
    ranked = sorted(merged.values(), key=lambda pair: -pair[0])
    unexplored = max(0.0, 1.0 - covered) if heap else 0.0
    return Explored(tuple(ranked), unexplored)


def _key(outcome: Outcome) -> object:
    return (
        outcome.status,
        outcome.closed,
        outcome.response_flags,
        outcome.response_code_details,
        outcome.route_ref,
        outcome.cluster,
        outcome.endpoint,
        tuple((a.cluster, a.endpoint, a.result) for a in outcome.attempts),
        tuple((a.cluster, a.endpoint) for a in outcome.mirrors),
        outcome.body,
        outcome.duration_ms,
    )


_: type[Chance] = Scripted  # Scripted is a Chance, says the type checker
