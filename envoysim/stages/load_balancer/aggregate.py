"""Aggregate clusters: the priorities of several clusters put in a row (``source/extensions/clusters/aggregate``)."""

from __future__ import annotations

from dataclasses import replace

from .context import Ask, NoHost, Unknown
from .host_set import HostSet
from .live_cluster import live_cluster
from .priority import priority_loads


def choose_member(ask: Ask) -> Ask | NoHost | Unknown:
    """Choose one of all members' priorities; return what to ask of the cluster it belongs to (``hostSelection``)."""
    proxy = ask.cluster.proxy
    members = [member for member in map(proxy.cluster, ask.cluster.type.members) if member is not None]
    host_sets: list[HostSet] = []
    owners = []
    for member in members:
        if member.endpoints.unknown:
            return Unknown(member.endpoints.unknown, member.ref)
        for host_set in live_cluster(member, ask.world, ask.state).host_sets:
            if host_set.group.hosts:
                owners.append((member, host_set.priority))
                host_sets.append(replace(host_set, priority=len(host_sets)))
    if not host_sets:
        return NoHost("no member of the aggregate cluster has a host", ask.cluster.ref)
    loads = ask.retry_loads(priority_loads(host_sets, ask.cluster.panic_threshold), host_sets)
    both = (*loads.healthy, *loads.degraded)
    index = 0 if both[0] == 100 else ask.world.chance.pick(both, "priority")
    owner, priority = owners[index % len(owners)]
    ask.telling.step(
        "load balancer", owner.ref, "aggregate `{}`: cluster `{}`, priority {}", ask.cluster.name, owner.name, priority
    )
    forced = (priority, index >= len(owners))
    return Ask(owner, ask.context, ask.world, ask.state, ask.telling, forced=forced)
