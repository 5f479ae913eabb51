"""How much load each priority gets, and which priorities are in panic.

Follows ``LoadBalancerBase`` in ``source/extensions/load_balancing_policies/common/load_balancer_impl.cc``; all
percentages are integers, cut as Envoy cuts them.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...lazy_dataclass import dataclass
from .host_set import HostSet, count_hosts


@dataclass(frozen=True, slots=True)
class PriorityLoads:
    """Percent of the load for the healthy and for the degraded hosts of every priority; they add up to 100.

    ``health`` and ``degraded_health`` are the availabilities the loads were made from.
    """

    healthy: tuple[int, ...]
    degraded: tuple[int, ...]
    panic: tuple[bool, ...]
    health: tuple[int, ...] = ()
    degraded_health: tuple[int, ...] = ()


def availability(host_set: HostSet) -> tuple[int, int]:
    """Return the healthy and the degraded availability of a priority in percent (``recalculatePerPriorityState``)."""
    if host_set.eligible <= 0:
        return 0, 0
    group = host_set.group
    if host_set.weighted_priority_health:
        healthy, degraded = sum(h.weight for h in group.healthy), sum(h.weight for h in group.degraded)
        total = sum(h.weight for h in group.hosts) - sum(h.weight for h in group.excluded)
    else:
        healthy, degraded, total = len(group.healthy), len(group.degraded), host_set.eligible
    factor = host_set.overprovisioning
    return min(100, factor * healthy // total), min(100, factor * degraded // total)


def in_panic(host_set: HostSet, threshold: int) -> bool:
    """Tell whether too few hosts of a priority are available (``isHostSetInPanic``)."""
    eligible = host_set.eligible
    if eligible == 0:
        return threshold > 0
    group = host_set.group
    healthy, degraded = 100.0 * len(group.healthy) / eligible, 100.0 * len(group.degraded) / eligible
    return healthy + degraded < threshold


def distribute(healths: Sequence[int], total_load: int, total_health: int) -> tuple[list[int], int | None, int]:
    """Hand out load by availability; return loads, the first available priority, and what is left."""
    loads, first = [], None
    for priority, health in enumerate(healths):
        if first is None and health > 0:
            first = priority
        load = min(total_load, health * 100 // total_health)
        loads.append(load)
        total_load -= load
    return loads, first, total_load


def priority_loads(host_sets: Sequence[HostSet], threshold: int) -> PriorityLoads:
    """Compute loads and panic from the hosts' health."""
    healths = [availability(host_set) for host_set in host_sets]
    return loads_from([h for h, _ in healths], [d for _, d in healths], host_sets, threshold)


def loads_from(
    health: Sequence[int], degraded_health: Sequence[int], host_sets: Sequence[HostSet], threshold: int
) -> PriorityLoads:
    """Compute loads and panic from availabilities in percent."""
    count = len(host_sets)
    total = min(100, sum(health) + sum(degraded_health))
    calm = (False,) * count
    if total == 0 and threshold == 0:
        return PriorityLoads((100, *(0,) * (count - 1)), (0,) * count, calm, tuple(health), tuple(degraded_health))
    panic = calm if total == 100 else tuple(in_panic(host_set, threshold) for host_set in host_sets)
    if all(panic):
        healthy, degraded = _total_panic(host_sets), [0] * count
    else:
        healthy, degraded = spread(health, degraded_health, total)
    return PriorityLoads(tuple(healthy), tuple(degraded), panic, tuple(health), tuple(degraded_health))


def spread(health: Sequence[int], degraded_health: Sequence[int], total: int) -> tuple[list[int], list[int]]:
    """Give load to healthy hosts first, then to degraded ones; rounding goes to the first available priority."""
    healthy, first_healthy, remaining = distribute(health, 100, total)
    degraded, first_degraded, remaining = distribute(degraded_health, remaining, total)
    if remaining:
        if first_healthy is not None:
            healthy[first_healthy] += remaining
        elif first_degraded is not None:
            degraded[first_degraded] += remaining
    return healthy, degraded


def _total_panic(host_sets: Sequence[HostSet]) -> list[int]:
    """Every priority is in panic: load follows the number of hosts (``recalculateLoadInTotalPanic``)."""
    total = count_hosts(host_sets)
    loads = [0] * len(host_sets)
    if total == 0:
        loads[0] = 100
        return loads
    for index, host_set in enumerate(host_sets):
        loads[index] = 100 * len(host_set.group.hosts) // total
    first = next(index for index, host_set in enumerate(host_sets) if host_set.group.hosts)
    loads[first] += 100 - sum(loads)
    return loads
