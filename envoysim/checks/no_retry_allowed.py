"""Retries that the circuit breaker forbids.

## What it finds
A route with retries to a cluster whose circuit breaker has `max_retries: 0`.

## Why it matters
No retry may be under way: every one overflows, flag `URX`.

## Example
`thresholds: [{max_retries: 0}]`.

## When it is harmless
Retries are to be off for this cluster.

## Fix
Raise max_retries in the cluster's circuit_breakers.

## Source
`source/common/upstream/resource_manager_impl.h`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import enum_name
from .base import Check
from .retry_walk import retry_policies
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    told: set[str] = set()
    for item in retry_policies(subject):
        if not item.tokens or not item.retries:
            continue
        for name, _ in subject.cluster_names(item.route):
            cluster = subject.clusters.get(name)
            if cluster is None or name in told:
                continue
            for i, threshold in enumerate(cluster.msg.circuit_breakers.thresholds):
                off = threshold.HasField("max_retries") and not threshold.max_retries.value
                if off and not threshold.HasField("retry_budget") and enum_name(threshold, "priority") == "DEFAULT":
                    told.add(name)
                    yield CHECK.finding(
                        cluster.ref.at("circuit_breakers", "thresholds", i, "max_retries"),
                        f"cluster `{name}` allows 0 retries at once: those of route "
                        f"`{item.route.label}` are never made",
                        related=(Related(item.ref, "the retries"),),
                        origin=origin_of(cluster.msg),
                    )


CHECK = Check(
    code="ESM617",
    name="no-retry-allowed",
    severity="warning",
    title="Retries that the circuit breaker forbids",
    fix="raise max_retries in the cluster's circuit_breakers",
    find=find,
)
