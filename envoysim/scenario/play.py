"""Plays a scenario: arrivals, stories, changes and health checks on one virtual clock."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Generator
from typing import Final

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
Event = Generator[float, None, None] | Callable[[], None]
OnOutcome = Callable[[int, Outcome, float], None]
"""Told of every request that ends: its stream, how it ended, when it arrived."""


class Play:
    """One run of a scenario. ``run`` may be interrupted: ``timeline`` then tells what is known so far."""

    def __init__(self, proxy: Proxy, scenario: Scenario, seed: int, on_outcome: OnOutcome | None = None) -> None:
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
        self.arrived = 0
        self.checks = HealthChecks(self)
        self._on_outcome = on_outcome
        self._heap: list[tuple[float, int, Event]] = []
        self._counter = 0
        self._routes: dict[object, str] = {}
        self._clusters: set[str | None] = {None}

    # ---- the clock

    def at(self, at_ms: float, event: Event) -> None:
        """Let ``event`` happen at a time."""
        self._counter += 1
        heapq.heappush(self._heap, (at_ms, self._counter, event))

    def run(self, progress: Progress | None = None) -> None:
        """Play to the end: until the last request that arrived in time has ended."""
        Changes(self).schedule()
        state, tally = self.state, self.tally
        for at_ms, index in merged(self.scenario.traffic, self.seed):
            self._until(at_ms)
            state.now_ms = at_ms
            if at_ms >= tally.bin_end_ms:
                tally.roll(at_ms)
            tally.arrivals += 1
            self.arrived += 1
            self._arrive(index)
            if progress is not None and not self.arrived % LOOK_EVERY:
                progress(at_ms, self.arrived)
        self._until(self.scenario.duration_ms)
        state.now_ms = max(state.now_ms, self.scenario.duration_ms)
        self.checks.stop()
        self._until(math.inf)

    def _until(self, time_ms: float) -> None:
        """Let everything happen that is due by ``time_ms``."""
        heap, state, tally = self._heap, self.state, self.tally
        while heap and heap[0][0] <= time_ms:
            at_ms, _, event = heapq.heappop(heap)
            if at_ms > state.now_ms:
                state.now_ms = at_ms
                if at_ms >= tally.bin_end_ms:
                    tally.roll(at_ms)
            if isinstance(event, Generator):
                self._go_on(event)
            else:
                event()

    def _go_on(self, story: Generator[float, None, None]) -> None:
        try:
            at_ms = next(story)
        except StopIteration:
            return
        self._counter += 1
        heapq.heappush(self._heap, (at_ms, self._counter, story))

    # ---- requests

    def _arrive(self, index: int) -> None:
        self._go_on(self._story(index))

    def _story(self, index: int) -> Generator[float, None, None]:
        """One request from its arrival to its entry in the tally."""
        traffic, state = self.scenario.traffic[index], self.state
        start_ms = self.telling.now_ms = state.now_ms
        self.world.chance.begin()
        outcome = yield from tell(self.proxy, traffic.request, self.world, state, self.telling)
        self.ended(index, outcome, start_ms)

    def ended(self, index: int, outcome: Outcome, start_ms: float) -> None:
        """Count a request that has ended."""
        if outcome.cluster not in self._clusters:
            self.meet(outcome)
        took_ms = self.state.now_ms - start_ms
        self.tally.count(self.scenario.traffic[index].name, self.route_name(outcome), outcome, took_ms)
        if self._on_outcome is not None:
            self._on_outcome(index, outcome, start_ms)

    def meet(self, outcome: Outcome) -> None:
        """Watch the clusters that a request was the first to reach."""
        names = {outcome.cluster, *(attempt.cluster for attempt in outcome.attempts)}
        for name in names - self._clusters:
            self._clusters.add(name)
            cluster = self.proxy.cluster(name) if name is not None else None
            if cluster is not None:
                self.watch_cluster(cluster.name)

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
