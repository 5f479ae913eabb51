"""A filter's service has no endpoints.

## What it finds
An authorization, rate limit or external processing filter that calls a cluster without any endpoint.

## Why it matters
The call fails at once: external authorization answers 403 (`ext_authz_error`, flag `UAEX`) unless it fails open;
a rate limit lets everything pass unless `failure_mode_deny` is set.

## Example
The authorization service is scaled to zero.

## When it is harmless
The service is about to start.

## Fix
Give the cluster endpoints (in Kubernetes: the Service's selector matches no ready pod).

## Source
`source/common/grpc/async_client_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .endpoint_walk import endpoints_of, known_hosts
from .filter_cluster_missing import PLACES, called, end_of
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per filter."""
    for item in subject.http_filters:
        for path in PLACES.get(item.type_name, ()) if item.config is not None else ():
            name = called(item.config, path)
            cluster = subject.clusters.get(name)
            if cluster is None or not known_hosts(subject, cluster) or next(endpoints_of(cluster), None) is not None:
                continue
            yield CHECK.finding(
                item.ref.at(*path),
                f"filter `{item.name}` of listener `{item.manager.listener.name}` calls cluster `{name}`, which has no "
                f"endpoints: {end_of(item.config, item.type_name)}",
                related=(Related(cluster.assignment_ref, "the cluster's endpoints"),),
            )


CHECK = Check(
    code="ESM524",
    name="filter-cluster-without-endpoints",
    severity="warning",
    title="Filter whose service has no endpoints",
    fix="give the cluster endpoints (in Kubernetes: the Service's selector matches no ready pod)",
    find=find,
)
