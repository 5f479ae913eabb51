"""Follow what Envoy did, request by request: where chance decides, the simulation may take any of Envoy's ways.

Envoy draws random numbers that nobody sees (who is first in the round, which weighted cluster). A request agrees when
one of the simulation's possible answers, after the ways taken by earlier requests, is Envoy's answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..explore import Scripted
from ..lazy_dataclass import dataclass
from ..model.world import State, World
from ..simulate import simulate
from ..stages.proxy import Proxy
from .client import TIMEOUT_SECONDS
from .compare import Difference, compare
from .judge import Observed

Script = tuple[int, ...]
PATIENCE_MS = TIMEOUT_SECONDS * 1000
"""The client's: what takes longer ends with its leaving."""
MAX_WAYS = 200
"""How many ways of one request are tried."""
SHIFTS_MS = (1.5, -1.5, 4.0)
"""A request reaches Envoy a little before or after the moment that was written down: buckets may have filled."""


def follow(
    proxy: Proxy, observed: Sequence[Observed], clusters: dict[str, str], world: World | None = None
) -> list[tuple[Observed, list[Difference]]]:
    """Return each request with its differences: those of the likeliest way where no way agrees."""
    return _Follower(proxy, observed, clusters, world or World(patience_ms=PATIENCE_MS)).follow()


@dataclass(frozen=True, slots=True)
class _Way:
    """How one request was played: when, and which branches chance took."""

    at_ms: float
    script: Script = ()


class _Follower:
    """Keeps the ways taken, so that a request can be played again from the beginning."""

    def __init__(self, proxy: Proxy, observed: Sequence[Observed], clusters: dict[str, str], world: World) -> None:
        self._proxy = proxy
        self._observed = observed
        self._clusters = clusters
        self._world = world
        self._state = State()
        self._taken: list[_Way] = []

    def follow(self) -> list[tuple[Observed, list[Difference]]]:
        return [(seen, self._next(seen)) for seen in self._observed]

    def _next(self, seen: Observed) -> list[Difference]:
        first = _Way(seen.at_ms)
        found, chance = self._play(seen, first)
        if found:
            ways = deque([*(_Way(seen.at_ms + shift) for shift in SHIFTS_MS), *_leaving(first, chance)])
            for _ in range(MAX_WAYS):
                if not ways:
                    break
                way = ways.popleft()
                self._rewind()
                other, taken = self._play(seen, way)
                if not other:
                    self._taken.append(replace(way, script=_branches(taken)))
                    return []
                if way.script:
                    ways.extend(_leaving(way, taken))
            self._rewind()
            self._play(seen, first)
        self._taken.append(replace(first, script=_branches(chance)))
        return found

    def _play(self, seen: Observed, way: _Way) -> tuple[list[Difference], Scripted]:
        chance = Scripted(way.script)
        self._state.now_ms = max(self._state.now_ms, way.at_ms)
        trace = simulate(self._proxy, seen.request, replace(self._world, chance=chance), self._state)
        return compare(seen, trace.outcome, self._clusters), chance

    def _rewind(self) -> None:
        """Play everything before the current request again: its state is where the last way left it."""
        self._state = State()
        for seen, way in zip(self._observed, self._taken, strict=False):
            self._play(seen, way)


def _leaving(way: _Way, played: Scripted) -> Iterator[_Way]:
    """The ways that leave ``way`` at a branch after its script, the last branch first."""
    taken = _branches(played)
    for position in reversed(range(len(way.script), len(taken))):
        for other in range(len(played.branches[position][1])):
            if other != taken[position]:
                yield _Way(way.at_ms, (*taken[:position], other))


def _branches(chance: Scripted) -> Script:
    return tuple(branch for branch, _ in chance.branches)
