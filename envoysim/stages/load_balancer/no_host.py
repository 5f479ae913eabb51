"""Why no host can be chosen: the setting that leaves none, and how every host of the cluster stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...model.trace import Rejected
from ..cluster_specifier import CLUSTER_CHOICE
from ..host import Host, coarse_health
from .context import Ask, NoHost
from .policy import OverrideHost, Subset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ...model.ref import Ref
    from ..cluster import Cluster
    from .live_cluster import LiveCluster
    from .policy import Policy

Losers = tuple[Rejected, ...]
NAMESPACE = "envoy.lb"


def no_host(live: LiveCluster, ask: Ask) -> NoHost:
    """Return why the balancer of ``live`` found no host; the hosts' standing is told where the story is explained."""
    cluster, explain = live.cluster, ask.telling.explain
    policy = _subset_of(cluster.policy)
    if policy is not None and ask.missing is not None:
        criteria = ask.missing
        at = _criteria_ref(ask) if criteria else policy.ref.at("fallback_policy")
        losers = (lambda: tuple(_lacking(policy, criteria, cluster.hosts))) if explain else None
        return NoHost(ask.reason, at or policy.ref, losers)
    if policy is not None and ask.reason:
        return NoHost(ask.reason, policy.ref, health_of(live, None, "") if explain else None)
    if not cluster.hosts:
        return NoHost(ask.reason or "the cluster has no hosts", cluster.endpoints.ref or cluster.ref)
    reason, ref = _none_healthy(live, ask)
    return NoHost(reason, ref, health_of(live, None, "") if explain else None)


def _none_healthy(live: LiveCluster, ask: Ask) -> tuple[str, Ref]:
    cluster = live.cluster
    words = ask.reason or f"none of {len(cluster.hosts)} hosts is healthy"
    if cluster.panic_threshold == 0:
        return f"{words}, and healthy_panic_threshold 0 turns panic mode off", panic_ref(cluster)
    locality = getattr(cluster.policy, "locality", None)
    if locality is not None and locality.fail_traffic_on_panic:
        at = cluster.policy.ref
        if "load_balancing_policy" not in at.path:
            at = cluster.ref.at("common_lb_config", "zone_aware_lb_config", "fail_traffic_on_panic")
        return f"{words}, and fail_traffic_on_panic refuses in place of panic mode", at
    return words, cluster.ref


def panic_ref(cluster: Cluster) -> Ref:
    """Return where the panic threshold stands, or would (50 % by default)."""
    return cluster.ref.at("common_lb_config", "healthy_panic_threshold")


def health_of(live: LiveCluster, chosen: Host | None, how: str) -> Callable[[], Losers]:
    """Keep how the hosts stand now (all but ``chosen``); words are made when they are asked for."""
    cluster = live.cluster
    others = [(host, live.flags(host)) for host in cluster.hosts if host is not chosen]

    def losers() -> Losers:
        told = [Rejected(host.ref, _health(host, flags)) for host, flags in others]
        if "in panic" in how:
            words = f"healthy_panic_threshold {cluster.panic_threshold} % (50 by default): fewer hosts are available"
            told.insert(0, Rejected(panic_ref(cluster), words))
        return tuple(told)

    return losers


def _health(host: Host, flags: frozenset[str]) -> str:
    words = ", ".join(sorted(flag.replace("_", " ") for flag in flags))
    detail = f" ({words})" if words else ""
    return f"{host.endpoint}: {coarse_health(flags)}{detail}, priority {host.priority}, weight {host.weight}"


def _subset_of(policy: Policy) -> Subset | None:
    while isinstance(policy, OverrideHost):
        policy = policy.child
    return policy if isinstance(policy, Subset) else None


def _criteria_ref(ask: Ask) -> Ref | None:
    """Return where the route asks for the subset: its own ``metadata_match``, or that of its weighted cluster."""
    stream = ask.context.stream
    route = stream.route if stream is not None else None
    if stream is None or route is None:
        return None
    made = stream.facts.get(CLUSTER_CHOICE)
    entry = made[1].entry if isinstance(made, tuple) and made[0] is route.action else None
    return (entry or route.action).ref.at("metadata_match")


def _lacking(policy: Subset, criteria: Mapping[str, object], hosts: tuple[Host, ...]) -> Iterator[Rejected]:
    """Say which selectors have other keys than the route's, and what the hosts' metadata have for those."""
    wanted = tuple(sorted(criteria))
    if not policy.selectors:
        yield Rejected(policy.ref.at("subset_selectors"), "there is no selector, so there are no subsets")
    for index, selector in enumerate(policy.selectors):
        if selector.keys != wanted:
            words = f"the selector's keys are {_listed(selector.keys)}, the route's {_listed(wanted)}"
            yield Rejected(policy.ref.at("subset_selectors", index), words)
    for host in hosts:
        labels = host.metadata.get(NAMESPACE, {})
        lacks = tuple(key for key in wanted if key not in labels)
        differs = [f"`{k}` is `{labels[k]}`, not `{criteria[k]}`" for k in wanted if k in labels]
        words = f"no {_listed(lacks)} in its `{NAMESPACE}` metadata" if lacks else "; ".join(differs)
        if words:
            yield Rejected(host.ref.at("metadata"), f"{host.endpoint}: {words}")
    yield Rejected(policy.ref.at("fallback_policy"), f"fallback_policy is {policy.fallback} (NO_FALLBACK by default)")


def _listed(keys: tuple[str, ...]) -> str:
    return ", ".join(f"`{key}`" for key in keys) or "none"
