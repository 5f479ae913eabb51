"""A cluster takes its host from an original destination that nobody restores.

## What it finds
A route to an ORIGINAL_DST cluster from a listener without `use_original_dst` and without an original_dst or
proxy_protocol listener filter, where the cluster reads no header for it.

## Why it matters
The cluster has no endpoints of its own: the address the connection was meant for is its host. Where no listener
filter restored one, there is no host: 503 `UH no_healthy_upstream`.

## Example
`type: ORIGINAL_DST` behind an ordinary listener.

## When it is harmless
Connections are handed over by another listener that restores it.

## Fix
Add the original_dst listener filter (and redirect with iptables), or use_http_header with a trusted header.

## Source
`OriginalDstCluster::LoadBalancer::chooseHost` in
`source/extensions/clusters/original_dst/original_dst_cluster.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import any_type, enum_name
from .base import Check
from .cluster_walk import routed_clusters
from .subject import ListenerItem, Subject
from .witness import route_request

RESTORE = ("OriginalDst", "ProxyProtocol")
KNOWN = "envoy.extensions.filters.listener."


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    for name, routes in routed_clusters(subject).items():
        cluster = subject.clusters.get(name)
        if cluster is None or enum_name(cluster.msg, "type") != "ORIGINAL_DST" or cluster.msg.HasField("cluster_type"):
            continue
        if any(cluster.msg.original_dst_lb_config.ListFields()):
            continue
        for route in routes:
            managers = route.host.table.managers
            if managers and not any(restores(m.listener) for m in managers):
                yield CHECK.finding(
                    route.ref.at("route", "cluster"),
                    f"route `{route.label}` sends requests to ORIGINAL_DST cluster `{name}`, but listener "
                    f"`{managers[0].listener.name}` restores no original destination: 503 UH no_healthy_upstream",
                    related=(Related(cluster.ref, "the cluster"),),
                    witness=route_request(route),
                )
                break


def restores(listener: ListenerItem) -> bool:
    """Tell whether connections of a listener may have an original destination."""
    msg = listener.msg
    if msg.use_original_dst.value or (msg.HasField("bind_to_port") and not msg.bind_to_port.value):
        return True
    if msg.deprecated_v1.HasField("bind_to_port") and not msg.deprecated_v1.bind_to_port.value:
        return True
    kinds = [any_type(f.typed_config) for f in msg.listener_filters]
    return any(k.rsplit(".", 1)[-1] in RESTORE or not k.startswith(KNOWN) for k in kinds)


CHECK = Check(
    code="ESM433",
    name="no-original-destination",
    severity="error",
    title="Original destination cluster without one",
    fix="add the original_dst listener filter (and redirect with iptables), or use_http_header with a trusted header",
    find=find,
)
