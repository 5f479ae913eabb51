"""Retries that leave the priorities tried before (``source/extensions/retry/priority/previous_priorities``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace

from ...lazy_dataclass import dataclass
from ..host import Host
from .host_set import HostSet
from .priority import PriorityLoads, availability


@dataclass(slots=True)
class PreviousPrioritiesState:
    """What one request's retries know; every ``update_frequency`` attempts the priorities tried get no load."""

    update_frequency: int
    excluded: set[int] = field(default_factory=set)
    forgotten: int = 0
    """Attempts that do not count any more: all priorities had been tried."""
    _loads: PriorityLoads | None = None

    def loads(self, loads: PriorityLoads, host_sets: Sequence[HostSet], attempted: Sequence[object]) -> PriorityLoads:
        """Return the loads for the next attempt (``determinePriorityLoad``)."""
        tried = attempted[self.forgotten :]
        if len(tried) < self.update_frequency:
            return loads
        if len(tried) % self.update_frequency == 0:
            self.excluded |= {host.priority for host in tried if isinstance(host, Host)}
            adjusted = self._adjust(loads, host_sets, len(attempted))
            if adjusted is None:
                return loads
            self._loads = adjusted
        return self._loads or loads

    def _adjust(self, loads: PriorityLoads, host_sets: Sequence[HostSet], attempts: int) -> PriorityLoads | None:
        healths = [availability(host_set) for host_set in host_sets]
        health, degraded, total = self._without_excluded(healths)
        if total == 0:
            self.excluded.clear()
            self.forgotten = attempts
            health, degraded, total = self._without_excluded(healths)
        if total == 0:
            return None
        left = 100
        healthy_load, degraded_load = [0] * len(healths), [0] * len(healths)
        while left:
            for shares, availabilities in ((healthy_load, health), (degraded_load, degraded)):
                for index, available in enumerate(availabilities):
                    delta = min(left, available * 100 // total)
                    shares[index] += delta
                    left -= delta
        return replace(loads, healthy=tuple(healthy_load), degraded=tuple(degraded_load))

    def _without_excluded(self, healths: Sequence[tuple[int, int]]) -> tuple[list[int], list[int], int]:
        health = [0 if i in self.excluded else h for i, (h, _) in enumerate(healths)]
        degraded = [0 if i in self.excluded else d for i, (_, d) in enumerate(healths)]
        return health, degraded, min(100, sum(health) + sum(degraded))
