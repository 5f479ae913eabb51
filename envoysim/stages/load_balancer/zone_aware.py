"""From a cluster's hosts to the few among which a policy chooses: priority, panic, locality.

Follows ``ZoneAwareLoadBalancerBase::hostSourceToUse``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ..host import Host
from .context import Ask
from .host_set import HostSet
from .locality import LocalityTurns, ZoneRouting, zone_routing
from .policy import LocalityConfig
from .priority import PriorityLoads, in_panic, priority_loads

if TYPE_CHECKING:
    from collections.abc import Callable

ALL, HEALTHY, DEGRADED = "all", "healthy", "degraded"


class Source(NamedTuple):
    """Which hosts a policy chooses among (``HostsSource``); ``locality`` -1 for the whole priority."""

    priority: int
    availability: str
    locality: int = -1


class ZoneAware:
    """Base of the policies that choose a priority, then a locality, then one of its hosts."""

    __slots__ = (
        "_local_turns",
        "_local_view",
        "_panic_threshold",
        "_routing",
        "host_sets",
        "loads",
        "locality",
        "plain",
    )

    def __init__(
        self, locality: LocalityConfig, panic_threshold: int, local_view: Callable[[Ask], HostSet | None] | None
    ) -> None:
        self.locality = locality
        self._panic_threshold = panic_threshold
        self._local_view = local_view
        self.host_sets: tuple[HostSet, ...] = ()
        self.loads = PriorityLoads((100,), (0,), (False,))
        self._local_turns: dict[tuple[int, bool], LocalityTurns] = {}
        self._routing: tuple[HostSet | None, ZoneRouting] | None = None
        self.plain = False

    def refresh(self, host_sets: tuple[HostSet, ...]) -> None:
        """Recompute loads, panic and localities; schedules of priorities that did not change go on."""
        old = self.host_sets
        self.host_sets = host_sets
        self.loads = priority_loads(host_sets, self._panic_threshold)
        for host_set in host_sets:
            priority = host_set.priority
            if priority >= len(old) or old[priority] is not host_set:
                self._local_turns.pop((priority, False), None)
                self._local_turns.pop((priority, True), None)
        self._routing = None
        self.plain = (
            len(host_sets) == 1
            and self.loads.healthy[0] == 100
            and not self.loads.panic[0]
            and not self.locality.weighted
            and (self._local_view is None or len(host_sets[0].localities) < 2)
        )

    def choose(self, ask: Ask) -> Host | None:
        """Pick until a host pleases the retry's predicates; the last pick stays (``chooseHost``)."""
        if ask.context.retry is None:
            return self.choose_once(ask)
        host: Host | None = None
        for _ in range(ask.max_attempts):
            host = self.choose_once(ask)
            if host is None or not ask.rejects(host):
                return host
        return host

    def choose_once(self, ask: Ask) -> Host | None:
        """Pick one host: priority, locality, then the policy's own way."""
        if self.plain and ask.context.retry is None and ask.forced is None:
            source: Source | None = Source(0, HEALTHY)
        else:
            source = self.choose_source(ask)
        if source is None:
            return None
        hosts = self.hosts(source)
        if not hosts:
            if len(self.host_sets) > 1:
                ask.reason = f"no {source.availability} host in priority {source.priority}"
            return None
        ask.candidates = len(hosts)
        return self.pick(hosts, source, ask)

    def pick(self, hosts: tuple[Host, ...], source: Source, ask: Ask) -> Host:
        """Choose one of ``hosts``."""
        raise NotImplementedError

    def hosts(self, source: Source) -> tuple[Host, ...]:
        """Return the hosts of a source (``hostSourceToHosts``)."""
        host_set = self.host_sets[source.priority]
        group = host_set.group if source.locality < 0 else host_set.localities[source.locality]
        if source.availability == ALL:
            return group.hosts
        return group.healthy if source.availability == HEALTHY else group.degraded

    def choose_source(self, ask: Ask) -> Source | None:
        """Choose priority and locality (``hostSourceToUse``)."""
        priority, availability = self.choose_priority(ask)
        host_set = self.host_sets[priority]
        if self.loads.panic[priority]:
            ask.count("lb_healthy_panic")
            if self.locality.fail_traffic_on_panic:
                ask.reason = f"priority {priority} is in panic and fail_traffic_on_panic is set"
                return None
            ask.how = f"priority {priority} in panic: all its hosts"
            return Source(priority, ALL)
        if len(self.host_sets) > 1 or availability == DEGRADED:
            loads = self.loads.healthy if availability == HEALTHY else self.loads.degraded
            ask.how = f"{availability} hosts of priority {priority} get {loads[priority]} %"
        if self.locality.weighted:
            locality = self._weighted_locality(host_set, availability, ask)
            if locality is not None:
                return Source(priority, availability, locality)
        if self._local_view is None or len(host_set.localities) < 2:
            return Source(priority, availability)
        return self._by_zone(host_set, availability, ask)

    def choose_priority(self, ask: Ask) -> tuple[int, str]:
        """Draw a priority by its load: healthy hosts of every priority, then degraded ones (``choosePriority``)."""
        loads = ask.retry_loads(self.loads, self.host_sets)
        if loads.healthy[0] == 100:
            return 0, HEALTHY
        index = ask.world.chance.pick((*loads.healthy, *loads.degraded), "priority")
        count = len(loads.healthy)
        return (index, HEALTHY) if index < count else (index - count, DEGRADED)

    def _weighted_locality(self, host_set: HostSet, availability: str, ask: Ask) -> int | None:
        key = (host_set.priority, availability == DEGRADED)
        turns = self._local_turns.get(key)
        if turns is None:
            turns = self._local_turns[key] = LocalityTurns(host_set, degraded=key[1])
        if turns.turns is None:
            return None
        index = turns.index(turns.turns.next(ask.world.chance, "locality"))
        ask.how = _add(ask.how, f"locality {_name(host_set, index)} by weight")
        return index

    def _by_zone(self, host_set: HostSet, availability: str, ask: Ask) -> Source | None:
        plain = Source(host_set.priority, availability)
        local = self._local_view(ask) if self._local_view is not None else None
        if self._routing is None or self._routing[0] is not local:
            runtime = ask.cluster.proxy.runtime
            min_size = runtime.integer("upstream.zone_routing.min_cluster_size", self.locality.min_cluster_size)
            force = runtime.integer("upstream.zone_routing.force_local_zone.min_size", 0)
            locality = replace(self.locality, force_local_zone_min_size=force) if force else self.locality
            self._routing = (local, zone_routing(self.host_sets[0], local, locality, min_size))
        routing = self._routing[1]
        if routing.why_not or host_set.priority != 0 or local is None:
            return plain
        runtime = ask.cluster.proxy.runtime
        enabled = self.locality.routing_enabled
        if not runtime.enabled_percent("upstream.zone_routing.enabled", enabled, ask.world):
            return plain
        if in_panic(local, self._panic_threshold):
            ask.count("lb_local_cluster_not_ok")
            if self.locality.fail_traffic_on_panic:
                ask.reason = "the local cluster is in panic and fail_traffic_on_panic is set"
                return None
            return plain
        if routing.direct:
            ask.count("lb_zone_routing_all_directly")
            ask.how = _add(ask.how, "all stay in the proxy's own locality")
            return Source(0, availability, 0)
        index = ask.world.chance.pick(routing.shares, "zone")
        ask.count("lb_zone_routing_sampled" if index == 0 and routing.local else "lb_zone_routing_cross_zone")
        ask.how = _add(ask.how, f"locality {_name(host_set, index)} by zone capacity")
        return Source(0, availability, index)


def _add(how: str, more: str) -> str:
    return f"{how}, {more}" if how else more


def _name(host_set: HostSet, index: int) -> str:
    hosts = host_set.localities[index].hosts
    return f"`{hosts[0].locality}`" if hosts else str(index)
