"""Round robin: in turn from a random host on; by earliest deadline where weights differ (``round_robin_lb.h``)."""

from __future__ import annotations

from ..host import Host
from .context import Ask
from .edf import EdfBalancer, LocalView
from .policy import RoundRobin
from .schedule import Seed
from .slow_start import Uptimes
from .zone_aware import Source


class RoundRobinBalancer(EdfBalancer):
    """One worker's round robin; every source of hosts has its own position."""

    __slots__ = ("_client_side", "_positions", "_seed")
    label = "round robin"

    def __init__(
        self, policy: RoundRobin, panic_threshold: int, local_view: LocalView | None, uptimes: Uptimes
    ) -> None:
        super().__init__(policy.locality, panic_threshold, local_view, policy.slow_start, uptimes)
        self._client_side = policy.client_side
        self._seed = Seed()
        self._positions: dict[Source, int] = {}

    def pick_unweighted(self, hosts: tuple[Host, ...], source: Source, ask: Ask) -> Host:
        """Take the next host's turn."""
        taken = self._positions.get(source, 0)
        self._positions[source] = taken + 1
        count = len(hosts)
        return hosts[(self._seed.modulo(count, ask.world.chance, self.label) + taken) % count]

    def weight(self, host: Host) -> int:
        """Return a host's weight: client-side weighting replaces what is configured, and no load report has come."""
        return 1 if self._client_side else host.weight

    def equal(self, hosts: tuple[Host, ...]) -> bool:
        """Tell whether hosts weigh the same."""
        return self._client_side or super().equal(hosts)
