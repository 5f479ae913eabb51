"""From a compiled policy to a worker's load balancer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .least_request import LeastRequestBalancer
from .override_host import OverrideHostBalancer
from .policy import (
    ClusterProvided,
    LeastRequest,
    Maglev,
    OverrideHost,
    Policy,
    Random,
    RingHash,
    RoundRobin,
    Subset,
    Unmodelled,
)
from .random import RandomBalancer
from .round_robin import RoundRobinBalancer
from .slow_start import Uptimes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..cluster import Cluster
    from .context import Ask, Balancer
    from .host_set import HostSet


def make_balancer(policy: Policy, cluster: Cluster, uptimes: Uptimes) -> Balancer:
    """Make the load balancer that ``policy`` configures for ``cluster``."""
    threshold = cluster.panic_threshold
    view = _local_view(cluster)
    match policy:
        case RoundRobin():
            return RoundRobinBalancer(policy, threshold, view, uptimes)
        case LeastRequest():
            return LeastRequestBalancer(policy, threshold, view, uptimes)
        case Random():
            return RandomBalancer(policy, threshold, view)
        case RingHash():
            from .ring_hash import make_ring_hash  # these three need more modules than the others together

            return make_ring_hash(policy, threshold)
        case Maglev():
            from .maglev import make_maglev

            return make_maglev(policy, threshold)
        case Subset():
            from .subset import SubsetBalancer

            return SubsetBalancer(policy, lambda: make_balancer(policy.child, cluster, uptimes))
        case OverrideHost():
            return OverrideHostBalancer(policy, make_balancer(policy.child, cluster, uptimes))
        case ClusterProvided() | Unmodelled():
            return RoundRobinBalancer(RoundRobin(policy.ref), threshold, view, uptimes)


def _local_view(cluster: Cluster) -> Callable[[Ask], HostSet | None] | None:
    """Return how to see the local cluster, if zone-aware routing may compare with one."""
    if not cluster.local_cluster or cluster.local_cluster == cluster.name:
        return None

    def view(ask: Ask) -> HostSet | None:
        from .live_cluster import live_cluster

        local = cluster.proxy.cluster(cluster.local_cluster)
        return live_cluster(local, ask.world, ask.state).host_sets[0] if local is not None else None

    return view
