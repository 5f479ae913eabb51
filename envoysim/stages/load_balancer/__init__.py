"""Load balancing: which host of a cluster gets an attempt.

``choose_host`` is the way in. A cluster's policy may be a tree (subset, override host, the policy inside); the
policies that know localities share ``zone_aware``, the hashing ones ``hashing``. What changes lives in ``State``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..host import Host
from .active import request_counts
from .aggregate import choose_member
from .context import Ask, LbContext, NoHost, Unknown
from .dynamic_forward_proxy import NOTE, choose_named_host
from .live_cluster import LiveCluster, live_cluster
from .no_host import health_of, no_host
from .original_dst import choose_original_dst
from .policy import RoundRobin, Unmodelled, slow_start_of

if TYPE_CHECKING:
    from ...model.world import State, World
    from ..cluster import Cluster
    from ..stream import Telling

__all__ = ["Host", "LbContext", "NoHost", "Unknown", "choose_host", "live_cluster", "request_counts"]

OVERRIDE: Final = "override_host"
"""``Stream.facts``: what a stateful session asks for; ``ip:port`` first, then whether no other host will do."""


def choose_host(
    cluster: Cluster, context: LbContext, world: World, state: State, telling: Telling
) -> Host | NoHost | Unknown:
    """Choose the host of the next attempt (``ClusterEntry::chooseHost``)."""
    ask = Ask(cluster, context, world, state, telling)
    chosen = _choose(cluster, context, ask)
    if isinstance(chosen, NoHost):
        telling.step("load balancer", chosen.ref, "no host: {}", chosen.reason, losers=chosen.losers)
    elif isinstance(chosen, Unknown):
        telling.step("load balancer", chosen.ref, "not known: {}", chosen.what)
        telling.note(chosen.ref, f"not in the dump: {chosen.what}")
    return chosen


def _choose(cluster: Cluster, context: LbContext, ask: Ask) -> Host | NoHost | Unknown:
    kind = cluster.type.discovery
    if kind == "ORIGINAL_DST":
        host = choose_original_dst(cluster, context)
        if isinstance(host, Host):
            ask.telling.step("load balancer", cluster.ref, "original destination {}", host.endpoint)
        return host
    if kind == "AGGREGATE":
        member = choose_member(ask)
        return _among_hosts(member.cluster, member) if isinstance(member, Ask) else member
    if kind == "DYNAMIC_FORWARD_PROXY":
        named = choose_named_host(cluster, context)
        if isinstance(named, Host):
            ask.telling.step("load balancer", cluster.ref, "{}: the host the request names", named.endpoint)
            if named.address is None:
                ask.telling.note(cluster.ref, NOTE)
        return named
    if kind == "CUSTOM":
        return Unknown(f"the hosts of cluster `{cluster.name}`: {cluster.type.note}", cluster.ref)
    return _among_hosts(cluster, ask)


def _among_hosts(cluster: Cluster, ask: Ask) -> Host | NoHost | Unknown:
    endpoints = cluster.endpoints
    if endpoints.unknown:
        return Unknown(endpoints.unknown, endpoints.ref)
    live = live_cluster(cluster, ask.world, ask.state)
    if live.clock is not None:
        live.clock(ask.state.now_ms, ask.world, ask.telling)
    live.settle(ask.state.now_ms)
    telling = ask.telling
    if endpoints.note:
        telling.note(endpoints.ref, endpoints.note)
    policy = cluster.policy
    if isinstance(policy, Unmodelled):
        telling.note(policy.ref, f"load balancing policy `{policy.name}` is not modelled: round robin assumed")
    if isinstance(policy, RoundRobin) and policy.client_side:
        telling.note(policy.ref, "load reports of hosts are not modelled: all hosts weigh the same")
    slow = slow_start_of(policy)
    if slow is not None:
        telling.note(
            policy.ref, f"slow start: hosts healthy at first are taken to be so for {slow.window_ms / 1000:g} s"
        )
    overridden = _override(live, ask)
    if overridden is not None:
        return overridden
    host = live.balancer.choose(ask)
    if host is None:
        return no_host(live, ask)
    losers = health_of(live, host, ask.how) if telling.explain else None
    if ask.how:
        words = "{}: {}; {} chose among {}"
        telling.step(
            "load balancer", host.ref, words, host.endpoint, ask.how, policy.name, ask.candidates, losers=losers
        )
    else:
        words = "{}: {} chose among {}"
        telling.step("load balancer", host.ref, words, host.endpoint, policy.name, ask.candidates, losers=losers)
    return host


def _override(live: LiveCluster, ask: Ask) -> Host | NoHost | None:
    """Take the host a stateful session names, if its health allows it (``HostUtility::selectOverrideHost``)."""
    context = ask.context
    wanted, strict = context.override_host, context.strict
    if context.stream is not None and not wanted and not context.mirror:
        found = context.stream.facts.get(OVERRIDE)
        if isinstance(found, tuple):
            wanted, strict = found[0], found[1]
    if not wanted or context.retry is not None:
        return None
    cluster = live.cluster
    host = next((host for host in cluster.hosts if host.endpoint == wanted), None)
    if host is not None and _status(host, live.flags(host)) in cluster.override_health:
        ask.telling.step("load balancer", host.ref, "{} by the session", host.endpoint)
        return host
    return NoHost(f"the session's host {wanted} is not available", cluster.ref) if strict else None


def _status(host: Host, flags: frozenset[str]) -> str:
    """Return a host's ``HealthStatus`` (``HostImplBase::healthStatus``)."""
    if flags & {"failed_active_hc", "failed_outlier_check"}:
        return "UNHEALTHY"
    if host.eds_status in ("UNHEALTHY", "DRAINING", "TIMEOUT"):
        return host.eds_status
    return "DEGRADED" if "degraded_active_hc" in flags else host.eds_status
