"""Follow what Envoy did, request by request: where chance decides, the simulation may take any of Envoy's ways.

Envoy draws random numbers that nobody sees (who is first in the round, which weighted cluster). A request agrees when
one of the simulation's possible answers, after the ways taken by earlier requests, is Envoy's answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..explore import Scripted
from ..model.outcome import Outcome
from ..model.request import Request
from ..model.world import State, World
from ..simulate import simulate
from ..stages.proxy import Proxy
from .compare import Difference, compare
from .judge import Observed

Script = tuple[int, ...]
MAX_WAYS = 60
"""How many ways of one request are tried."""


def follow(
    proxy: Proxy, observed: Sequence[Observed], clusters: dict[str, str], world: World | None = None
) -> list[tuple[Observed, list[Difference]]]:
    """Return each request with its differences: those of the likeliest way where no way agrees."""
    return _Follower(proxy, observed, clusters, world or World()).follow()


class _Follower:
    """Keeps the scripts of the ways taken, so that a request can be played again from the beginning."""

    def __init__(self, proxy: Proxy, observed: Sequence[Observed], clusters: dict[str, str], world: World) -> None:
        self._proxy = proxy
        self._observed = observed
        self._clusters = clusters
        self._world = world
        self._state = State()
        self._taken: list[Script] = []

    def follow(self) -> list[tuple[Observed, list[Difference]]]:
        return [(seen, self._next(seen)) for seen in self._observed]

    def _next(self, seen: Observed) -> list[Difference]:
        outcome, chance = self._play(seen.request, ())
        found = compare(seen, outcome, self._clusters)
        if found and chance.branches:
            for script in self._others(chance):
                self._rewind()
                outcome, other = self._play(seen.request, script)
                if not compare(seen, outcome, self._clusters):
                    self._take(other)
                    return []
            self._rewind()
            _, chance = self._play(seen.request, ())
        self._take(chance)
        return found

    def _others(self, first: Scripted) -> list[Script]:
        """Ways that leave the first one at one of its branches, the last branch first; then those that leave again."""
        scripts: list[Script] = []
        taken = tuple(branch for branch, _ in first.branches)
        for position in reversed(range(len(taken))):
            shares = first.branches[position][1]
            scripts += [(*taken[:position], other) for other in range(len(shares)) if other != taken[position]]
        if len(taken) > 1:
            sizes = [len(shares) for _, shares in first.branches[:2]]
            third = len(first.branches[2][1]) if len(taken) > 2 else 1
            scripts += [(a, b, c) for a in range(sizes[0]) for b in range(sizes[1]) for c in range(third)]
        return list(dict.fromkeys(scripts))[:MAX_WAYS]

    def _play(self, request: Request, script: Script) -> tuple[Outcome, Scripted]:
        chance = Scripted(script)
        trace = simulate(self._proxy, request, replace(self._world, chance=chance), self._state)
        self._state.now_ms += request.pause_ms
        return trace.outcome, chance

    def _take(self, chance: Scripted) -> None:
        self._taken.append(tuple(branch for branch, _ in chance.branches))

    def _rewind(self) -> None:
        """Play everything before the current request again: its state is where the last way left it."""
        self._state = State()
        for seen, script in zip(self._observed, self._taken, strict=False):
            self._play(seen.request, script)
