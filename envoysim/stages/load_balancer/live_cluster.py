"""A cluster as a worker knows it now: health that changes, and when the worker learns of it.

Health changes reach workers merged within ``update_merge_window`` (``ClusterManagerImpl::scheduleUpdate`` in
``source/common/upstream/cluster_manager_impl.cc``): the first one at once, later ones when the window is over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from ...lazy_dataclass import dataclass
from ..host import HEALTHY, WORDS, Host, coarse_health
from .build import make_balancer
from .hashing import HashBalancer
from .host_set import HostSet, build_host_set, build_host_sets
from .slow_start import LONG_AGO, Uptimes

if TYPE_CHECKING:
    from ...model.world import State, World
    from ..cluster import Cluster
    from ..stream import Telling
    from .context import Balancer

NEVER = math.inf
NONE: frozenset[str] = frozenset()


@dataclass(slots=True)
class PendingUpdate:
    """One priority's updates: when the last one went to the worker, and when the waiting one will."""

    last_ms: float = -NEVER
    due_ms: float = NEVER


class LiveCluster:
    """One cluster's hosts, their health, and the worker's load balancer over them."""

    __slots__ = (
        "_flags",
        "_pending",
        "_true_sets",
        "_world_health",
        "balancer",
        "clock",
        "cluster",
        "host_sets",
        "on_check_passed",
        "on_delivered",
        "uptimes",
    )

    def __init__(self, cluster: Cluster, health: Mapping[str, str]) -> None:
        self.cluster = cluster
        self._world_health = health
        self._flags: dict[Host, frozenset[str]] = {}
        self._pending: dict[int, PendingUpdate] = {}
        self.uptimes = Uptimes()
        self.balancer: Balancer = make_balancer(cluster.policy, cluster, self.uptimes)
        self.host_sets: tuple[HostSet, ...] = ()
        """What the worker knows."""
        self._true_sets: tuple[HostSet, ...] = ()
        self.clock: Callable[[float, World, Telling], None] | None = None
        """Lets happen what is due by a time: outlier detection's ticks."""
        self.on_check_passed: Callable[[Host, float, Telling], None] | None = None
        """Told of a host that passes its health checks: outlier detection lets it back."""
        self.on_delivered: Callable[[], None] | None = None
        """Told whenever the worker has learnt of other health: a scenario looks for panic."""
        self._rebuild()

    def _rebuild(self) -> None:
        """Start from what the dump and the world say of every host."""
        health = self._world_health
        self._flags = {host: configured_flags(host, health) for host in self.cluster.hosts}
        self.host_sets = self._true_sets = build_host_sets(self.cluster.endpoints, self.flags)
        for host in self.cluster.hosts:  # hosts that are healthy at first have been so for long
            if coarse_health(self._flags[host]) == HEALTHY:
                self.uptimes.passed_ms.setdefault(host, LONG_AGO)
        self.balancer.refresh(self.host_sets)

    def see(self, health: Mapping[str, str]) -> None:
        """Follow what the world says of hosts' health."""
        if health is not self._world_health:
            self._world_health = health
            self._rebuild()

    def flags(self, host: Host) -> frozenset[str]:
        """Return a host's health flags as the main thread has them."""
        return self._flags.get(host, NONE)

    def set_flag(self, host: Host, flag: str, on: bool, now_ms: float) -> None:
        """Set or clear a health flag; the worker learns of it when updates are due."""
        self.settle(now_ms)
        flags = self._flags[host]
        self._flags[host] = flags | {flag} if on else flags - {flag}
        self._changed(host.priority, now_ms)

    def clear_flags(self, host: Host, flags: AbstractSet[str], now_ms: float) -> None:
        """Clear several flags in one update."""
        self.settle(now_ms)
        self._flags[host] -= flags
        self._changed(host.priority, now_ms)

    def _changed(self, priority: int, now_ms: float) -> None:
        """Give a priority's news to the worker, or let them wait (``scheduleUpdate``)."""
        sets = list(self._true_sets)
        sets[priority] = build_host_set(self.cluster.endpoints, priority, self.flags)
        self._true_sets = tuple(sets)
        pending = self._pending.setdefault(priority, PendingUpdate())
        window = self.cluster.update_merge_window_ms
        if window <= 0 or math.floor(now_ms - pending.last_ms if pending.last_ms > -NEVER else 2 * window) > window:
            pending.due_ms = NEVER
            pending.last_ms = now_ms
            self._deliver(priority, now_ms)
        elif pending.due_ms == NEVER:
            pending.due_ms = now_ms + window

    def settle(self, now_ms: float) -> None:
        """Deliver the updates that are due."""
        for priority, pending in self._pending.items():
            if pending.due_ms <= now_ms:
                pending.last_ms = pending.due_ms
                pending.due_ms = NEVER
                self._deliver(priority, pending.last_ms)

    def _deliver(self, priority: int, now_ms: float) -> None:
        self.uptimes.now_ms = now_ms
        sets = list(self.host_sets)
        sets[priority] = self._true_sets[priority]
        self.host_sets = tuple(sets)
        # Hash tables are made by the main thread: with any update a worker gets the newest of all priorities.
        self.balancer.refresh(self._true_sets if isinstance(self.balancer, HashBalancer) else self.host_sets)
        if self.on_delivered is not None:
            self.on_delivered()


def configured_flags(host: Host, health: Mapping[str, str]) -> frozenset[str]:
    """Return the flags a host starts with: those of the dump, unless the world knows better."""
    word = health.get(host.endpoint) if health else None
    return host.flags if word is None else WORDS.get(word.lower(), host.flags)


def live_cluster(cluster: Cluster, world: World, state: State) -> LiveCluster:
    """Return the worker's view of ``cluster``."""
    live = state.slot(("live_cluster", cluster.name), lambda: LiveCluster(cluster, world.health))
    live.see(world.health)
    return live
