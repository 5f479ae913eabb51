"""Session affinity that a traffic split breaks.

## What it finds
A route with a `hash_policy` and several `weighted_clusters` with weight, without `use_hash_policy`.

## Why it matters
The hash chooses the host within a cluster. The cluster is drawn by weight for each request anew: one session goes now
to this version, now to that.

## Example
A canary with weights 90 and 10, and a hash policy by cookie.

## When it is harmless
Both clusters share their sessions.

## Fix
Set use_hash_policy on weighted_clusters.

## Source
`WeightedClusterSpecifierPlugin` in `source/common/router/weighted_cluster_specifier.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route."""
    for route in subject.forwards:
        action = route.msg.route
        split = action.weighted_clusters
        several = len({c.name or c.cluster_header for c in split.clusters if c.weight.value}) > 1
        if not several or not action.hash_policy or split.WhichOneof("random_value_specifier") is not None:
            continue
        yield CHECK.finding(
            route.ref.at("route", "weighted_clusters"),
            f"route `{route.label}` has a hash_policy (session affinity), but draws one of its weighted_clusters by "
            "weight for each request: sessions are not sticky across the clusters",
            related=(Related(route.ref.at("route", "hash_policy"), "the hash policy"),),
            origin=origin_of(route.msg),
        )


CHECK = Check(
    code="ESM336",
    name="affinity-across-weights",
    severity="warning",
    title="Session affinity that a traffic split breaks",
    fix="set use_hash_policy on weighted_clusters",
    find=find,
)
