"""Idle upstream connections are kept for an hour.

## What it finds
A cluster without `idle_timeout` for its connections, routes to which do not retry when a connection is reset.

## Why it matters
Idle connections stay in the pool for one hour (the default). Most servers close theirs much sooner (keep-alive of
5 s in Node.js, 60 to 75 s elsewhere): a request sent at that moment is lost, 503 `UC`, `connection_termination`.

## Example
No `common_http_protocol_options` in front of a Node.js service, and sporadic 503.

## When it is harmless
The upstream keeps idle connections for more than an hour, or requests are never far apart.

## Fix
Set common_http_protocol_options.idle_timeout below the upstream's keep-alive timeout, or retry on reset.

## Source
`source/common/upstream/upstream_impl.cc` (the default), `source/common/http/codec_client.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .cluster_walk import http_options, routed_clusters
from .retry_walk import retry_policies
from .subject import Subject, origin_of

RESETS = frozenset(("5xx", "gateway-error", "reset", "reset-before-request"))


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per routed cluster."""
    retried = {id(item.route) for item in retry_policies(subject) if RESETS & set(item.tokens)}
    for name, routes in routed_clusters(subject).items():
        cluster = subject.clusters.get(name)
        if cluster is None or all(id(route) in retried for route in routes):
            continue
        options = http_options(cluster)
        if not (options if options is not None else cluster.msg).common_http_protocol_options.HasField("idle_timeout"):
            yield CHECK.finding(
                cluster.ref.at("common_http_protocol_options"),
                f"cluster `{name}` keeps idle connections for 1 hour (idle_timeout, the default), and routes to it do "
                "not retry on reset: when the upstream's keep-alive ends first, a request is lost (503 UC)",
                origin=origin_of(cluster.msg),
                fold="default",
            )


CHECK = Check(
    code="ESM620",
    name="upstream-idle-default",
    severity="info",
    title="Idle upstream connections kept for an hour",
    fix="set common_http_protocol_options.idle_timeout below the upstream's keep-alive timeout, or retry on reset",
    find=find,
)
