"""Plays a scenario: arrivals, stories, changes and health checks on one virtual clock."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Generator
from itertools import count
from types import GeneratorType
from typing import Any, Final

from ..model.chance import Sampled
from ..model.outcome import Outcome
from ..model.ref import Ref
from ..model.timeline import Timeline
from ..model.world import State, World
from ..simulate import tell
from ..stages.proxy import Proxy
from .arrivals import merged
from .changes import Changes
from .health_checks import HealthChecks
from .players import InFull, Player, Scout
from .report import make_timeline
from .settings import Scenario
from .tally import Tally
from .upstream_model import DrawnUpstreams
from .watch import Quiet, Watch

BINS: Final = 240
"""About so many bins a run has."""
LOOK_EVERY: Final = 1024
"""Requests between two looks at the real clock's owner: progress."""

Progress = Callable[[float, int], None]
"""Told the virtual time and how many requests have arrived."""
Story = Generator[float, None, None]
OnOutcome = Callable[[int, Outcome, float], None]
"""Told of every request that ends: its stream, how it ended, when it arrived."""


class Clock:
    """What is to happen: a heap of (time, number, event). An event is a story to go on with, something to call, or a
    plain answer on its way (``Fast.complete`` and its arguments).
    """

    __slots__ = ("heap", "number")

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, Any]] = []
        self.number = count().__next__


class Play:
    """One run of a scenario. ``run`` may be interrupted: ``timeline`` then tells what is known so far."""

    def __init__(
        self,
        proxy: Proxy,
        scenario: Scenario,
        seed: int,
        *,
        on_outcome: OnOutcome | None = None,
        beaten_paths: bool = True,
    ) -> None:
        self.proxy = proxy
        self.scenario = scenario
        self.seed = seed
        self.state = State()
        self.upstreams = DrawnUpstreams(scenario.upstreams, seed)
        self.world = World(
            upstream_model=self.upstreams,
            chance=Sampled(seed),
            runtime=scenario.runtime,
            verdicts=scenario.verdicts,
            patience_ms=scenario.patience_ms,
        )
        self.watch = Watch(self.world, self.state)
        self.watch.on_cluster = self.watch_cluster
        self.telling = Quiet(self.watch)
        self.tally = Tally(bin_width_ms(scenario.duration_ms))
        self.tally.on_cluster = self.watch.trend
        self.arrived = 0
        self.checks = HealthChecks(self)
        self.on_outcome = on_outcome
        self.clock = Clock()
        self.players: list[Player] = [
            Scout(self, index, (), self._putter(index)) if beaten_paths else InFull(self, index)
            for index in range(len(scenario.traffic))
        ]
        """Who plays the requests of each stream."""
        self._routes: dict[object, str] = {}
        self._clusters: set[str | None] = {None}

    # ---- the clock

    def at(self, at_ms: float, event: Callable[[], None]) -> None:
        """Let ``event`` happen at a time."""
        heapq.heappush(self.clock.heap, (at_ms, self.clock.number(), event))

    def run(self, progress: Progress | None = None) -> None:
        """Play to the end: until the last request that arrived in time has ended."""
        Changes(self).schedule()
        state, tally, players, chance = self.state, self.tally, self.players, self.world.chance
        for at_ms, index in merged(self.scenario.traffic, self.seed):
            self._until(at_ms)
            state.now_ms = at_ms
            if at_ms >= tally.bin_end_ms:
                tally.roll(at_ms)
            tally.arrivals += 1
            self.arrived += 1
            chance.begin()
            players[index].arrive()
            if progress is not None and not self.arrived % LOOK_EVERY:
                progress(at_ms, self.arrived)
        self._until(self.scenario.duration_ms)
        state.now_ms = max(state.now_ms, self.scenario.duration_ms)
        self.checks.stop()
        self._until(math.inf)

    def _until(self, time_ms: float) -> None:
        """Let everything happen that is due by ``time_ms``."""
        heap, state, tally = self.clock.heap, self.state, self.tally
        while heap and heap[0][0] <= time_ms:
            at_ms, _, event = heapq.heappop(heap)
            if at_ms > state.now_ms:
                state.now_ms = at_ms
                if at_ms >= tally.bin_end_ms:
                    tally.roll(at_ms)
            if type(event) is tuple:
                player, target, connection, status, start_ms = event
                player.complete(target, connection, status, start_ms)
            elif isinstance(event, GeneratorType):
                self.go_on(event)
            else:
                event()

    def go_on(self, story: Story) -> None:
        """Let a story go on until it sleeps again."""
        try:
            at_ms = next(story)
        except StopIteration:
            return
        heapq.heappush(self.clock.heap, (at_ms, self.clock.number(), story))

    # ---- requests

    def _putter(self, index: int) -> Callable[[Player], None]:
        def put(player: Player) -> None:
            self.players[index] = player

        return put

    def story(self, index: int, world: World) -> Story:
        """One request from its arrival to its entry in the tally."""
        traffic, state = self.scenario.traffic[index], self.state
        start_ms = self.telling.now_ms = state.now_ms
        outcome = yield from tell(self.proxy, traffic.request, world, state, self.telling)
        self.ended(index, outcome, start_ms)

    def ended(self, index: int, outcome: Outcome, start_ms: float) -> None:
        """Count a request that has ended."""
        if outcome.cluster not in self._clusters:
            self.meet(outcome)
        took_ms = self.state.now_ms - start_ms
        self.tally.count(self.scenario.traffic[index].name, self.route_name(outcome), outcome, took_ms)
        if self.on_outcome is not None:
            self.on_outcome(index, outcome, start_ms)

    def meet(self, outcome: Outcome) -> None:
        """Watch the clusters that a request was the first to reach."""
        names = {outcome.cluster, *(attempt.cluster for attempt in outcome.attempts)}
        self._clusters |= names
        for name in sorted(name for name in names if name is not None):
            self.watch_cluster(name)

    def watch_cluster(self, name: str) -> None:
        """Watch a cluster, and check its hosts' health from now on."""
        cluster = self.proxy.cluster(name)
        if cluster is not None and cluster.name not in self.watch.clusters:
            self.watch.cluster(cluster)
            self.checks.start(cluster)

    def route_name(self, outcome: Outcome) -> str:
        """Name the route a request took, as a person finds it again."""
        key = (outcome.virtual_host, outcome.route, outcome.route_ref)
        name = self._routes.get(key)
        if name is None:
            name = self._routes[key] = _route_name(outcome, self.proxy.pointer)
        return name

    # ---- the end

    def timeline(self, *, interrupted: bool = False) -> Timeline:
        """Tell what came of it (so far)."""
        return make_timeline(self, interrupted=interrupted)


def _route_name(outcome: Outcome, pointer: Callable[[Ref | None], str | None]) -> str:
    if outcome.route_ref is None:
        where = outcome.virtual_host or outcome.route_config or outcome.listener
        return f"no route ({where})" if where else "no listener"
    name = outcome.route or pointer(outcome.route_ref) or ""
    return f"{outcome.virtual_host}/{name.lstrip('/')}" if outcome.route else name


def bin_width_ms(duration_ms: float) -> float:
    """Return a round width so that a run has about ``BINS`` bins."""
    wanted = duration_ms / BINS
    step = 10.0 ** math.floor(math.log10(max(wanted, 1.0)))
    return next(step * factor for factor in (1, 2, 5, 10) if step * factor >= wanted or factor == 10)
