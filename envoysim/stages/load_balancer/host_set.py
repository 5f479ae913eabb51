"""The hosts of one priority as a load balancer sees them (``HostSetImpl``, ``HostsPerLocalityImpl``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ...lazy_dataclass import dataclass
from ..endpoints import Endpoints, PriorityLevel
from ..host import DEGRADED, EXCLUDING_FLAGS, HEALTHY, Host, coarse_health

Flags = Callable[[Host], frozenset[str]]


@dataclass(frozen=True, slots=True)
class HostGroup:
    """Hosts by health: all of a priority, or of one of its localities. ``excluded`` counts hosts left out of
    what availability is measured against.
    """

    hosts: tuple[Host, ...] = ()
    healthy: tuple[Host, ...] = ()
    degraded: tuple[Host, ...] = ()
    excluded: tuple[Host, ...] = ()

    def keep(self, wanted: Callable[[Host], bool]) -> HostGroup:
        """Return the group with the wanted hosts only."""
        return HostGroup(
            tuple(filter(wanted, self.hosts)),
            tuple(filter(wanted, self.healthy)),
            tuple(filter(wanted, self.degraded)),
            tuple(filter(wanted, self.excluded)),
        )


@dataclass(frozen=True, slots=True)
class HostSet:
    """One priority. ``weights`` are those of ``localities``; the proxy's own locality is the first if ``has_local``."""

    priority: int
    group: HostGroup
    localities: tuple[HostGroup, ...] = ()
    weights: tuple[int, ...] = ()
    has_local: bool = False
    overprovisioning: int = 140
    weighted_priority_health: bool = False

    @property
    def eligible(self) -> int:
        """How many hosts count as a whole: all but the excluded."""
        return len(self.group.hosts) - len(self.group.excluded)


def group_hosts(hosts: Iterable[Host], flags_of: Flags) -> HostGroup:
    """Part hosts by their health (``partitionHostList``)."""
    everyone = tuple(hosts)
    healthy, degraded, excluded = [], [], []
    for host in everyone:
        flags = flags_of(host)
        if not flags:
            healthy.append(host)
            continue
        health = coarse_health(flags)
        if health == HEALTHY:
            healthy.append(host)
        elif health == DEGRADED:
            degraded.append(host)
        if flags & EXCLUDING_FLAGS:
            excluded.append(host)
    return HostGroup(everyone, tuple(healthy), tuple(degraded), tuple(excluded))


def build_host_set(endpoints: Endpoints, priority: int, flags_of: Flags) -> HostSet:
    """Make the host set of one priority from the health its hosts have now."""
    level: PriorityLevel = endpoints.levels[priority]
    localities = tuple(
        group_hosts((host for host in level.hosts if host.locality == locality), flags_of)
        for locality, _ in level.localities
    )
    return HostSet(
        priority,
        localities[0] if len(localities) == 1 else group_hosts(level.hosts, flags_of),
        localities,
        tuple(weight for _, weight in level.localities),
        level.has_local,
        endpoints.overprovisioning,
        endpoints.weighted_priority_health,
    )


def build_host_sets(endpoints: Endpoints, flags_of: Flags) -> tuple[HostSet, ...]:
    """Make the host sets of every priority."""
    return tuple(build_host_set(endpoints, priority, flags_of) for priority in range(len(endpoints.levels)))


def count_hosts(host_sets: Sequence[HostSet]) -> int:
    """Return how many hosts there are."""
    return sum(len(host_set.group.hosts) for host_set in host_sets)
