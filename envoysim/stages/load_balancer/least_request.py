"""Least request: of hosts drawn at random, the one with the fewest requests under way (``least_request_lb.cc``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..host import Host
from .active import active_requests, request_counts
from .context import Ask
from .edf import EdfBalancer, LocalView
from .policy import LeastRequest
from .slow_start import Uptimes
from .zone_aware import Source

if TYPE_CHECKING:
    from collections.abc import Sequence


class LeastRequestBalancer(EdfBalancer):
    """One worker's least request; with unequal weights a schedule whose weights shrink with the requests under way."""

    __slots__ = ("_policy",)
    label = "least request"

    def __init__(
        self, policy: LeastRequest, panic_threshold: int, local_view: LocalView | None, uptimes: Uptimes
    ) -> None:
        super().__init__(policy.locality, panic_threshold, local_view, policy.slow_start, uptimes)
        self._policy = policy

    def pick_unweighted(self, hosts: tuple[Host, ...], source: Source, ask: Ask) -> Host:
        """Choose by the requests under way."""
        return hosts[
            ask.world.chance.pick(self.shares(active_requests(ask.state, ask.cluster.name, hosts)), self.label)
        ]

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

    def factor_of(self, hosts: tuple[Host, ...], ask: Ask) -> Callable[[int], float] | None:
        """Return what a host's weight is multiplied with: less with every request under way, and in slow start."""
        warming = super().factor_of(hosts, ask)
        bias = ask.cluster.proxy.runtime.double(self._policy.bias_key, self._policy.active_request_bias)
        counts = request_counts(ask.state, ask.cluster.name)
        if not bias or not counts:
            return warming

        def factor(index: int) -> float:
            idle = (counts.get(hosts[index].endpoint, 0) + 1) ** -bias
            return float(idle if warming is None else idle * warming(index))

        return factor
