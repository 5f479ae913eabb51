"""What ring hash and maglev share: weights, the hash of a request, bounded loads.

Follows ``source/extensions/load_balancing_policies/common/thread_aware_lb_impl.cc``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from ...lazy_dataclass import dataclass
from ..hash_policy import compute_hash
from ..host import Host
from .active import request_counts
from .context import Ask
from .host_set import HostSet
from .mersenne_twister import MersenneTwister
from .policy import Hashing
from .priority import PriorityLoads, priority_loads

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class WeightedHosts:
    """Hosts with weights that add up to 1, in order, and the smallest and largest weight."""

    entries: tuple[tuple[Host, float], ...]
    minimum: float
    maximum: float


class Table(Protocol):
    """A hash table over hosts."""

    def at(self, number: int, attempt: int) -> Host:
        """Return the host of a hash; ``attempt`` counts picks that a retry's predicates refused."""

    def shares(self) -> list[tuple[Host, float]]:
        """Return the share of all hashes each host gets, in a stable order."""


def normalize(host_set: HostSet, *, panic: bool, locality_weighted: bool) -> WeightedHosts:
    """Make weights add up to 1 over all hosts (``normalizeWeights``)."""
    entries: list[tuple[Host, float]] = []
    if not locality_weighted or not host_set.weights:
        hosts = host_set.group.hosts if panic else host_set.group.healthy
        entries.extend(_normalize(hosts, 1.0))
    else:
        total = sum(host_set.weights)
        for group, weight in zip(host_set.localities, host_set.weights, strict=True):
            if total and weight:
                entries.extend(_normalize(group.hosts if panic else group.healthy, weight / total))
    weights = [weight for _, weight in entries]
    return WeightedHosts(tuple(entries), min([1.0, *weights]), max([0.0, *weights]))


def _normalize(hosts: Sequence[Host], share: float) -> Iterable[tuple[Host, float]]:
    total = sum(host.weight for host in hosts)
    return [(host, host.weight * share / total) for host in hosts]


def hash_key(host: Host, use_hostname: bool) -> str:
    """Return what stands for a host in the table: ``hash_key`` metadata, its host name, or its address."""
    return host.hash_key or (host.hostname if use_hostname else host.endpoint)


class HashBalancer:
    """A hashing load balancer: the hash of the request chooses the priority and the host."""

    __slots__ = ("_hashing", "_label", "_make", "_panic_threshold", "_shares", "_tables", "host_sets", "loads")

    def __init__(
        self, hashing: Hashing, panic_threshold: int, label: str, make: Callable[[WeightedHosts], Table | None]
    ) -> None:
        self._hashing = hashing
        self._panic_threshold = panic_threshold
        self._label = label
        self._make = make
        self.host_sets: tuple[HostSet, ...] = ()
        self.loads = PriorityLoads((100,), (0,), (False,))
        self._tables: dict[int, tuple[WeightedHosts, Table | None]] = {}
        self._shares: dict[int, Sequence[tuple[Host, float]]] = {}
        """What each host of a table gets of requests without a hash, by priority."""

    def refresh(self, host_sets: tuple[HostSet, ...]) -> None:
        """Recompute loads; tables are made when first asked for."""
        self.host_sets = host_sets
        self.loads = priority_loads(host_sets, self._panic_threshold)
        self._tables.clear()
        self._shares.clear()

    def choose(self, ask: Ask) -> Host | None:
        """Look the request's hash up; without one, draw it (``LoadBalancerImpl::chooseHost``)."""
        number = self._hash(ask)
        priority = self._priority(number, ask)
        if self.loads.panic[priority]:
            ask.count("lb_healthy_panic")
            ask.how = f"priority {priority} in panic: all its hosts"
        elif len(self.host_sets) > 1:
            ask.how = f"priority {priority} gets {self.loads.healthy[priority]} %"
        weighted, table = self._table(priority)
        if table is None:
            ask.reason = f"no healthy host in priority {priority}"
            return None
        ask.candidates = len(weighted.entries)
        if number is None:
            shares = self._shares.get(priority)
            if shares is None:
                shares = self._shares[priority] = table.shares()
            return shares[ask.world.chance.pick([share for _, share in shares], self._label)][0]
        host: Host | None = None
        for attempt in range(ask.max_attempts):
            host = table.at(number, attempt)
            if self._hashing.balance_factor:
                host = self._bounded(host, number, weighted, ask)
            if not ask.rejects(host):
                return host
        return host

    def _hash(self, ask: Ask) -> int | None:
        context = ask.context
        policies = self._hashing.hash_policy or ask.cluster.hash_policy or context.hash_policy
        if context.stream is not None and policies:
            return compute_hash(context.stream, policies, generate_cookie=True)
        return context.hash_key

    def _priority(self, number: int | None, ask: Ask) -> int:
        loads = self.loads
        if loads.healthy[0] == 100:
            return 0
        both = (*loads.healthy, *loads.degraded)
        if number is None:
            return ask.world.chance.pick(both, "priority") % len(loads.healthy)
        place = number % 100
        for index, load in enumerate(both):
            if place < load:
                return index % len(loads.healthy)
            place -= load
        return 0

    def _table(self, priority: int) -> tuple[WeightedHosts, Table | None]:
        found = self._tables.get(priority)
        if found is None:
            weighted = normalize(
                self.host_sets[priority],
                panic=self.loads.panic[priority],
                locality_weighted=self._hashing.locality_weighted,
            )
            found = self._tables[priority] = (weighted, self._make(weighted) if weighted.entries else None)
        return found

    def _bounded(self, host: Host, number: int, weighted: WeightedHosts, ask: Ask) -> Host:
        """Pass over hosts with too many requests under way (``BoundedLoadHashingLoadBalancer``)."""
        counts = request_counts(ask.state, ask.cluster.name)
        if not counts:
            return host
        slots_in_all = ((sum(counts.values()) + 1) * self._hashing.balance_factor + 99) // 100

        def overload(candidate: Host, weight: float) -> float:
            return counts.get(candidate.endpoint, 0) / max(math.ceil(slots_in_all * weight), 1)

        least = overload(host, dict(weighted.entries)[host])
        if least <= 1.0:
            return host
        chosen, order = host, list(range(len(weighted.entries)))
        random = MersenneTwister(number & 0xFFFFFFFF)
        for index in range(len(order)):
            other = index + random.below(len(order) - index)
            order[index], order[other] = order[other], order[index]
            candidate, weight = weighted.entries[order[index]]
            if candidate is host:
                continue
            factor = overload(candidate, weight)
            if factor <= 1.0:
                return candidate
            if factor < least:
                chosen, least = candidate, factor
        return chosen
