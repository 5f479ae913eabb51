"""Round robin: in turn from a random host on; by earliest deadline where weights differ (``round_robin_lb.h``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..host import Host
from .context import Ask
from .host_set import HostSet
from .policy import RoundRobin
from .schedule import Seed, Turns
from .zone_aware import Source, ZoneAware

if TYPE_CHECKING:
    from collections.abc import Callable

LABEL: Final = "round robin"


class RoundRobinBalancer(ZoneAware):
    """One worker's round robin; every source of hosts has its own position."""

    __slots__ = ("_client_side", "_positions", "_schedules", "_seed")

    def __init__(
        self, policy: RoundRobin, panic_threshold: int, local_view: Callable[[Ask], HostSet | None] | None
    ) -> None:
        super().__init__(policy.locality, panic_threshold, local_view)
        self._client_side = policy.client_side
        self._seed = Seed()
        self._positions: dict[Source, int] = {}
        self._schedules: dict[Source, tuple[tuple[Host, ...], Turns | None]] = {}

    def refresh(self, host_sets: tuple[HostSet, ...]) -> None:
        """Rebuild schedules of changed priorities: they start again where their seed puts them."""
        old = self.host_sets
        super().refresh(host_sets)
        for source, (_, turns) in self._schedules.items():
            priority = source.priority
            if turns is not None and (priority >= len(old) or old[priority] is not host_sets[priority]):
                turns.restart()

    def pick(self, hosts: tuple[Host, ...], source: Source, ask: Ask) -> Host:
        """Take the next host's turn."""
        count = len(hosts)
        if count == 1:
            return hosts[0]
        turns = self._turns(hosts, source)
        if turns is not None:
            return hosts[turns.next(ask.world.chance, LABEL)]
        taken = self._positions.get(source, 0)
        self._positions[source] = taken + 1
        return hosts[(self._seed.modulo(count, ask.world.chance, LABEL) + taken) % count]

    def _turns(self, hosts: tuple[Host, ...], source: Source) -> Turns | None:
        known = self._schedules.get(source)
        if known is not None and (known[0] is hosts or known[0] == hosts):
            return known[1]
        weight = hosts[0].weight
        # Client-side weighting replaces the configured weights: without load reports all hosts weigh the same.
        equal = self._client_side or all(host.weight == weight for host in hosts)
        turns = None if equal else Turns([host.weight for host in hosts])
        self._schedules[source] = (hosts, turns)
        return turns
