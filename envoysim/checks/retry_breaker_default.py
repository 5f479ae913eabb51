"""Retries limited to three at once.

## What it finds
A cluster that routes retry against, without `max_retries` or `retry_budget` in its circuit breakers.

## Why it matters
At most 3 retries may be under way to a cluster at once. When many requests fail together, the others are not
retried: flag `URX` with `retry` overflow, in spite of `num_retries`.

## Example
`retry_policy: {num_retries: 5}` and no `circuit_breakers`.

## When it is harmless
Little traffic.

## Fix
Set circuit_breakers.thresholds max_retries, or a retry_budget, to what the traffic needs.

## Source
`source/common/upstream/resource_manager_impl.h`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .retry_walk import retry_policies
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    told: set[str] = set()
    for item in retry_policies(subject):
        if not item.retries or not item.tokens:
            continue
        for name, _ in subject.cluster_names(item.route):
            cluster = subject.clusters.get(name)
            if cluster is None or name in told:
                continue
            told.add(name)
            thresholds = cluster.msg.circuit_breakers.thresholds
            if not any(t.HasField("max_retries") or t.HasField("retry_budget") for t in thresholds):
                yield CHECK.finding(
                    cluster.ref.at("circuit_breakers"),
                    f"cluster `{name}` allows the default of 3 retries at once, and routes retry up to {item.retries} "
                    "times: under load most requests are not retried",
                    related=(Related(item.ref, "a route's retries"),),
                    origin=origin_of(cluster.msg),
                )


CHECK = Check(
    code="ESM428",
    name="retry-breaker-default",
    severity="info",
    title="Retries limited to three at once",
    fix="set circuit_breakers.thresholds max_retries, or a retry_budget, to what the traffic needs",
    find=find,
)
