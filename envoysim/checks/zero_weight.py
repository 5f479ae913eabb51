"""Weighted cluster that gets nothing.

## What it finds
An entry of `weighted_clusters` with weight 0.

## Why it matters
It never wins. Where all weights are 0 Envoy refuses the route configuration.

## Example
The last step of a traffic shift.

## When it is harmless
The entry is kept for the next shift.

## Fix
Delete the entry, or give it a weight.

## Source
`source/common/router/weighted_cluster_specifier.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per entry; an error where all are 0."""
    for route in subject.forwards:
        if route.msg.route.WhichOneof("cluster_specifier") != "weighted_clusters":
            continue
        entries = route.msg.route.weighted_clusters
        empty = not any(c.weight.value for c in entries.clusters)
        if entries.runtime_key_prefix:
            continue
        for i, entry in enumerate(entries.clusters):
            if not entry.weight.value:
                yield CHECK.finding(
                    route.ref.at("route", "weighted_clusters", "clusters", i),
                    f"cluster `{entry.name}` has weight 0 on route `{route.label}`: it gets no request"
                    f"{' (all weights are 0: Envoy rejects the routes)' if empty else ''}",
                    origin=origin_of(route.msg),
                    severity="error" if empty else None,
                )


CHECK = Check(
    code="ESM318",
    name="zero-weight",
    severity="info",
    title="Weighted cluster that gets nothing",
    fix="delete the entry, or give it a weight",
    find=find,
)
