"""Routed cluster without a healthy endpoint.

## What it finds
A cluster that a route names, none of whose endpoints is healthy now, and whose panic threshold is 0.

## Why it matters
With panic switched off no host may be chosen: 503 `UH no_healthy_upstream`.

## Example
`healthy_panic_threshold: {value: 0}` and all hosts failing their health check.

## When it is harmless
The hosts are just starting.

## Fix
Look at the hosts and their health checks; the panic threshold decides whether requests are tried anyway.

## Source
`source/extensions/load_balancing_policies/common/load_balancer_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .cluster_walk import routed_clusters
from .endpoint_walk import endpoints_of, is_healthy
from .subject import Subject, origin_of
from .witness import route_request


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    for name, routes in routed_clusters(subject).items():
        cluster = subject.clusters.get(name)
        if cluster is None or not cluster.msg.common_lb_config.HasField("healthy_panic_threshold"):
            continue
        if cluster.msg.common_lb_config.healthy_panic_threshold.value > 0:
            continue
        items = list(endpoints_of(cluster))
        if items and not any(is_healthy(subject, e) for e in items):
            sole = routes[0].msg.route.WhichOneof("cluster_specifier") == "cluster"
            yield CHECK.finding(
                items[0].ref.at("health_status"),
                f"none of {len(items)} endpoints of cluster `{name}` is healthy and panic is off: 503 UH "
                "no_healthy_upstream",
                witness=route_request(routes[0]) if sole else None,
                origin=origin_of(cluster.msg),
            )


CHECK = Check(
    code="ESM403",
    name="all-endpoints-unhealthy",
    severity="warning",
    title="Routed cluster without a healthy endpoint",
    fix="look at the hosts and their health checks; the panic threshold decides whether requests are tried anyway",
    find=find,
)
