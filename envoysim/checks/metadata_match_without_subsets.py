"""Metadata match on a cluster without subsets.

## What it finds
A route with `metadata_match` under `envoy.lb` to a cluster without subset selectors.

## Why it matters
Nothing reads the match: all endpoints get the requests.

## Example
`metadata_match: {envoy.lb: {version: v2}}` to a plain cluster.

## When it is harmless
A cluster of the same name elsewhere has subsets.

## Fix
Give the cluster an lb_subset_config with these keys, or drop the metadata_match.

## Source
`source/extensions/load_balancing_policies/subset/subset_lb.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .subject import Subject, origin_of
from .witness import route_request


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route and cluster."""
    for route in subject.forwards:
        if not route.msg.route.HasField("metadata_match"):
            continue
        if "envoy.lb" not in route.msg.route.metadata_match.filter_metadata:
            continue
        for name, _ in subject.cluster_names(route):
            cluster = subject.clusters.get(name)
            if cluster is None or cluster.msg.lb_subset_config.subset_selectors or cluster.msg.HasField("cluster_type"):
                continue
            if cluster.msg.load_balancing_policy.policies:
                continue  # the subset policy may be among the extensions
            yield CHECK.finding(
                route.ref.at("route", "metadata_match"),
                f"route `{route.label}` asks for a subset of cluster `{name}`, which has none: all endpoints get the "
                "requests",
                related=(Related(cluster.ref, "no lb_subset_config"),),
                witness=route_request(route),
                origin=origin_of(route.msg),
            )


CHECK = Check(
    code="ESM406",
    name="metadata-match-without-subsets",
    severity="warning",
    title="Metadata match on a cluster without subsets",
    fix="give the cluster an lb_subset_config with these keys, or drop the metadata_match",
    find=find,
)
