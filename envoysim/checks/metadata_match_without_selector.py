"""Metadata match that no subset selector answers.

## What it finds
A route whose `metadata_match` keys are not exactly the keys of one of the cluster's `subset_selectors`.

## Why it matters
Subsets are looked up by the whole set of keys. Any other set means the fallback: 503 `UH`, or any endpoint.

## Example
Selector `[version]`, route `{version: v1, stage: prod}`.

## When it is harmless
The fallback is meant.

## Fix
Add a subset selector with exactly these keys.

## Source
`source/extensions/load_balancing_policies/subset/subset_lb.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import enum_name
from .base import Check
from .subject import Subject, origin_of
from .witness import route_request


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route and cluster."""
    for route in subject.forwards:
        if not route.msg.route.HasField("metadata_match"):
            continue
        wanted = route.msg.route.metadata_match.filter_metadata.get("envoy.lb")
        keys = set(wanted.fields) if wanted is not None else set()
        for name, _ in subject.cluster_names(route) if keys else ():
            cluster = subject.clusters.get(name)
            subsets = cluster.msg.lb_subset_config if cluster is not None else None
            if cluster is None or subsets is None or not subsets.subset_selectors:
                continue
            if not any(set(s.keys) == keys for s in subsets.subset_selectors):
                have = " or ".join("+".join(s.keys) for s in subsets.subset_selectors)
                yield CHECK.finding(
                    route.ref.at("route", "metadata_match"),
                    f"route `{route.label}` asks by {'+'.join(sorted(keys))}, cluster `{name}` has "
                    f"subsets by {have}: the "
                    f"fallback ({enum_name(subsets, 'fallback_policy')}) takes the requests",
                    related=(Related(cluster.ref.at("lb_subset_config", "subset_selectors"), "the selectors"),),
                    witness=route_request(route),
                    origin=origin_of(route.msg),
                )


CHECK = Check(
    code="ESM405",
    name="metadata-match-without-selector",
    severity="warning",
    title="Metadata match that no subset selector answers",
    fix="add a subset selector with exactly these keys",
    find=find,
)
