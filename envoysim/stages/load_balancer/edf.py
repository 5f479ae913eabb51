"""Base of the policies that go by earliest deadline where weights differ (``EdfLoadBalancerBase``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ..host import Host
from .context import Ask
from .host_set import HostSet
from .policy import LocalityConfig, SlowStart
from .schedule import Turns
from .slow_start import Uptimes, Warming
from .zone_aware import Source, ZoneAware

if TYPE_CHECKING:
    from ..runtime import Runtime

LocalView = Callable[[Ask], "HostSet | None"]


class EdfBalancer(ZoneAware):
    """Schedules of every source of hosts; without one, ``pick_unweighted`` chooses."""

    __slots__ = ("_schedules", "_warm", "_warming")
    label: ClassVar[str]

    def __init__(
        self,
        locality: LocalityConfig,
        panic_threshold: int,
        local_view: LocalView | None,
        slow_start: SlowStart | None,
        uptimes: Uptimes,
    ) -> None:
        super().__init__(locality, panic_threshold, local_view)
        self._schedules: dict[Source, tuple[tuple[Host, ...], Turns | None]] = {}
        self._warming = Warming(slow_start, uptimes) if slow_start is not None else None
        self._warm: set[int] = set()
        """Priorities in which no host was in slow start when they last changed."""

    def refresh(self, host_sets: tuple[HostSet, ...]) -> None:
        """Rebuild schedules of changed priorities: they start again where their seed puts them."""
        old = self.host_sets
        super().refresh(host_sets)
        changed = {p for p, host_set in enumerate(host_sets) if p >= len(old) or old[p] is not host_set}
        if self._warming is not None:
            self._note_warming(changed, self._warming)
        for source, (_, turns) in self._schedules.items():
            if turns is not None and source.priority in changed:
                turns.restart()

    def _note_warming(self, changed: set[int], warming: Warming) -> None:
        for priority in changed:
            was_warm = priority in self._warm
            self._warm.discard(priority)
            if not warming.refresh(self.host_sets[priority].group.healthy):
                self._warm.add(priority)
            if not (was_warm and priority in self._warm):  # weights have changed: schedules are others
                for source in [source for source in self._schedules if source.priority == priority]:
                    del self._schedules[source]

    def pick(self, hosts: tuple[Host, ...], source: Source, ask: Ask) -> Host:
        """Take the next host's turn."""
        if len(hosts) == 1:
            return hosts[0]
        known = self._schedules.get(source)
        if known is not None and (known[0] is hosts or known[0] == hosts):
            turns = known[1]
        else:
            turns = self._schedule(hosts, source, ask.cluster.proxy.runtime)
        if turns is None:
            return self.pick_unweighted(hosts, source, ask)
        return hosts[turns.next(ask.world.chance, self.label, self.factor_of(hosts, ask))]

    def pick_unweighted(self, hosts: tuple[Host, ...], source: Source, ask: Ask) -> Host:
        """Choose one of hosts that weigh the same (``unweightedHostPick``)."""
        raise NotImplementedError

    def factor_of(self, hosts: tuple[Host, ...], ask: Ask) -> Callable[[int], float] | None:
        """Return what a host's weight is multiplied with now, ``None`` while weights are as configured."""
        warming = self._warming
        if warming is None or not warming.active(ask.state.now_ms):
            return None
        return partial(_factor, warming, hosts, ask)

    def equal(self, hosts: tuple[Host, ...]) -> bool:
        """Tell whether hosts weigh the same."""
        weight = hosts[0].weight
        return all(host.weight == weight for host in hosts)

    def _schedule(self, hosts: tuple[Host, ...], source: Source, runtime: Runtime) -> Turns | None:
        turns: Turns | None = None
        warming = self._warming
        if warming is not None and source.priority not in self._warm:
            weights = [float(self.weight(host)) for host in hosts]
            turns = Turns(
                weights,
                [w * warming.factor_at_refresh(host, runtime) for w, host in zip(weights, hosts, strict=True)],
            )
        elif not self.equal(hosts):
            turns = Turns([self.weight(host) for host in hosts])
        self._schedules[source] = (hosts, turns)
        return turns

    def weight(self, host: Host) -> int:
        """Return a host's weight as configured."""
        return host.weight


def _factor(warming: Warming, hosts: tuple[Host, ...], ask: Ask, index: int) -> float:
    return warming.factor(hosts[index], ask.state.now_ms, ask.cluster.proxy.runtime)
