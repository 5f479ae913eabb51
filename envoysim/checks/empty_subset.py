"""Subset that no endpoint belongs to.

## What it finds
A route whose `metadata_match` asks for values that no endpoint of its (subset) cluster carries.

## Why it matters
The fallback policy decides: `NO_FALLBACK` answers 503 `UH`, `ANY_ENDPOINT` sends the requests anywhere.

## Example
`metadata_match: {envoy.lb: {version: v3}}` while only v1 and v2 are deployed.

## When it is harmless
The version is about to be deployed.

## Fix
Give the endpoints the metadata, or correct the route's metadata_match.

## Source
`source/extensions/load_balancing_policies/subset/subset_lb.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import Msg, enum_name, to_python
from .base import Check
from .endpoint_walk import endpoints_of
from .subject import Subject, origin_of
from .witness import route_request


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route and cluster."""
    for route in subject.forwards:
        if not route.msg.route.HasField("metadata_match"):
            continue
        wanted = route.msg.route.metadata_match.filter_metadata.get("envoy.lb")
        asked = to_python(wanted) if wanted is not None else {}
        for name, _ in subject.cluster_names(route) if isinstance(asked, dict) and asked else ():
            cluster = subject.clusters.get(name)
            if cluster is None or not cluster.msg.lb_subset_config.subset_selectors:
                continue
            items = list(endpoints_of(cluster))
            if items and not any(_carries(e.msg, e.locality, asked) for e in items):
                text = ", ".join(f"{k}={v}" for k, v in asked.items())
                fallback = enum_name(cluster.msg.lb_subset_config, "fallback_policy")
                end = "503 UH" if fallback == "NO_FALLBACK" else f"the fallback ({fallback}) takes the requests"
                yield CHECK.finding(
                    route.ref.at("route", "metadata_match"),
                    f"route `{route.label}` asks for {text}, which no endpoint of cluster `{name}` carries: {end}",
                    related=(Related(cluster.ref.at("lb_subset_config"), "the cluster's subsets"),),
                    witness=route_request(route),
                    origin=origin_of(route.msg),
                )


def _carries(entry: Msg, locality: Msg, asked: dict[str, object]) -> bool:
    known: dict[str, object] = {}
    for msg in (locality, entry):
        own = msg.metadata.filter_metadata.get("envoy.lb") if msg.HasField("metadata") else None
        known |= to_python(own) if own is not None else {}
    return all(key in known and (known[key] == value or _listed(known[key], value)) for key, value in asked.items())


def _listed(known: object, value: object) -> bool:
    return isinstance(known, list) and value in known


CHECK = Check(
    code="ESM404",
    name="empty-subset",
    severity="warning",
    title="Subset that no endpoint belongs to",
    fix="give the endpoints the metadata, or correct the route's metadata_match",
    find=find,
)
