"""A circuit breaker so tight that ordinary load trips it.

## What it finds
A cluster whose thresholds allow fewer than 10 connections, waiting (pending) requests, or requests at once.

## Why it matters
Over HTTP/1.1 a connection carries one request at a time, further requests wait in the pending queue, and what does
not fit is refused on the spot: 503 `UO`, details `overflow`, `x-envoy-overloaded: true`. The backend is never
asked.

## Example
`thresholds: [{max_connections: 2, max_pending_requests: 1}]`.

## When it is harmless
The backend must never see more than that at once.

## Fix
Raise the limits to what the traffic needs, or speak HTTP/2 to the upstream; watch `upstream_rq_pending_overflow`.

## Source
`source/common/upstream/resource_manager_impl.h`, `source/common/http/conn_pool_base.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject

FEW = 10
LIMITS = (
    ("max_connections", "connections"),
    ("max_pending_requests", "pending (waiting) requests"),
    ("max_requests", "requests"),
)


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per threshold with a limit below ten."""
    for cluster in subject.clusters.values():
        for i, threshold in enumerate(cluster.msg.circuit_breakers.thresholds):
            tight = [
                f"{getattr(threshold, name).value} {words}"
                for name, words in LIMITS
                if threshold.HasField(name) and getattr(threshold, name).value < FEW
            ]
            if tight:
                yield CHECK.finding(
                    cluster.ref.at("circuit_breakers", "thresholds", i),
                    f"circuit breaker of cluster `{cluster.name}` allows {', '.join(tight)}: over HTTP/1.1 a "
                    "connection carries "
                    "one request, the next wait in the queue, further ones are refused with 503 UO overflow",
                )


CHECK = Check(
    code="ESM410",
    name="tight-circuit-breaker",
    severity="warning",
    title="Circuit breaker that ordinary load trips",
    fix="raise max_connections, max_pending_requests and max_requests to what the traffic needs, or use "
    "HTTP/2 upstream",
    find=find,
)
