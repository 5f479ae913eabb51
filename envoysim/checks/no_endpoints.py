"""Routed cluster without endpoints.

## What it finds
A cluster that a route names and that has no endpoint at all, where the dump tells its endpoints.

## Why it matters
Every request is answered 503 with flag `UH`, details `no_healthy_upstream`.

## Example
A Service whose pods are scaled to zero.

## When it is harmless
The service is switched off.

## Fix
Give the cluster endpoints (in Kubernetes: the Service's selector matches no ready pod), or route elsewhere.

## Source
`source/common/router/router.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .cluster_walk import routed_clusters
from .endpoint_walk import endpoints_of, known_hosts
from .subject import Subject, origin_of
from .witness import route_request


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per empty cluster that requests are sent to."""
    for name, routes in routed_clusters(subject).items():
        cluster = subject.clusters.get(name)
        if cluster is None or not known_hosts(subject, cluster) or next(endpoints_of(cluster), None) is not None:
            continue
        sole = routes[0].msg.route.WhichOneof("cluster_specifier") == "cluster"
        yield CHECK.finding(
            cluster.assignment_ref if cluster.assignment is not None else cluster.ref,
            f"cluster `{name}` has no endpoints; route `{routes[0].label}` sends requests to it: 503 UH "
            "no_healthy_upstream",
            related=(Related(routes[0].ref.at("route"), "a route to it"),),
            witness=route_request(routes[0]) if sole else None,
            origin=origin_of(cluster.msg),
        )


CHECK = Check(
    code="ESM402",
    name="no-endpoints",
    severity="warning",
    title="Routed cluster without endpoints",
    fix="give the cluster endpoints (in Kubernetes: the Service's selector matches no ready pod), or route elsewhere",
    find=find,
)
