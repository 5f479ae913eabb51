"""Least request: of hosts drawn at random, the one with the fewest requests under way (``least_request_lb.cc``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..host import Host
from .active import active_requests
from .context import Ask
from .host_set import HostSet
from .policy import LeastRequest
from .schedule import Turns
from .zone_aware import Source, ZoneAware

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LABEL: Final = "least request"


class LeastRequestBalancer(ZoneAware):
    """One worker's least request; with unequal weights a schedule whose weights shrink with the requests under way."""

    __slots__ = ("_policy", "_schedules")

    def __init__(
        self, policy: LeastRequest, panic_threshold: int, local_view: Callable[[Ask], HostSet | None] | None
    ) -> None:
        super().__init__(policy.locality, panic_threshold, local_view)
        self._policy = policy
        self._schedules: dict[Source, tuple[tuple[Host, ...], Turns | None]] = {}

    def pick(self, hosts: tuple[Host, ...], source: Source, ask: Ask) -> Host:
        """Choose by load."""
        if len(hosts) == 1:
            return hosts[0]
        active = active_requests(ask.state, ask.cluster.name, hosts)
        turns = self._turns(hosts, source)
        if turns is not None:
            bias = ask.cluster.proxy.runtime.double(self._policy.bias_key, self._policy.active_request_bias)
            if bias and any(active):
                weights = [host.weight / (count + 1) ** bias for host, count in zip(hosts, active, strict=True)]
                return hosts[ask.world.chance.pick(weights, LABEL)]
            return hosts[turns.next(ask.world.chance, LABEL)]
        return hosts[ask.world.chance.pick(self.shares(active), LABEL)]

    def shares(self, active: Sequence[int]) -> list[float]:
        """Return each host's chance to be the least loaded of those drawn (with replacement)."""
        count = len(active)
        if self._policy.full_scan:
            least = min(active)
            return [1.0 if own == least else 0.0 for own in active]
        if active.count(active[0]) == count:
            return [1.0 / count] * count
        choices, shares = self._policy.choice_count, []
        for own in active:
            at_least = sum(1 for other in active if other >= own)
            above = sum(1 for other in active if other > own)
            shares.append(((at_least / count) ** choices - (above / count) ** choices) / (at_least - above))
        return shares

    def _turns(self, hosts: tuple[Host, ...], source: Source) -> Turns | None:
        known = self._schedules.get(source)
        if known is not None and (known[0] is hosts or known[0] == hosts):
            return known[1]
        equal = all(host.weight == hosts[0].weight for host in hosts)
        turns = None if equal else Turns([host.weight for host in hosts])
        self._schedules[source] = (hosts, turns)
        return turns
