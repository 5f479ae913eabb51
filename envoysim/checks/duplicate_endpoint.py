"""Endpoint that is listed twice.

## What it finds
One address twice in a cluster.

## Why it matters
Envoy keeps one host per address and priority: the second entry has no effect, or its weight and metadata replace
the first's.

## Example
Two Services that select the same pods, merged into one cluster.

## When it is harmless
The entries are the same.

## Fix
List each address once; use load_balancing_weight for a larger share.

## Source
`source/common/upstream/upstream_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .endpoint_walk import endpoints_of
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster: the first repeated address."""
    for cluster in subject.clusters.values():
        if cluster.assignment is None or enum_name(cluster.msg, "type") == "LOGICAL_DNS":
            continue
        seen: set[tuple[str, int]] = set()
        for item in endpoints_of(cluster):
            key = (item.address, item.locality.priority)
            if key in seen and item.address:
                yield CHECK.finding(
                    item.ref,
                    f"endpoint {item.address} is listed twice in cluster `{cluster.name}`",
                    origin=origin_of(cluster.msg),
                )
                break
            seen.add(key)


CHECK = Check(
    code="ESM416",
    name="duplicate-endpoint",
    severity="info",
    title="Endpoint that is listed twice",
    fix="list each address once; use load_balancing_weight for a larger share",
    find=find,
)
