"""Share of requests that endpoints tell to drop.

## What it finds
A load assignment with `policy.drop_overloads`.

## Why it matters
The share is answered 503 before any host is asked: flag `DO`, details `drop_overload`; at 100 % flag `UDO`,
`unconditional_drop_overload`.

## Example
A control plane that sheds load and never stops.

## When it is harmless
The load is shed on purpose.

## Fix
Take drop_overloads off the load assignment, or lower it.

## Source
`source/common/router/router.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Witness
from ..schema import enum_name
from .base import Check
from .cluster_walk import routed_clusters
from .subject import Subject, origin_of
from .witness import route_request

SIZES = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    for cluster in subject.clusters.values():
        if cluster.assignment is None or not cluster.assignment.policy.drop_overloads:
            continue
        drops = [d.drop_percentage for d in cluster.assignment.policy.drop_overloads]
        share = min(100.0, sum(100 * d.numerator / SIZES[enum_name(d, "denominator")] for d in drops))
        if share > 0:
            end = "503 UDO unconditional_drop_overload" if share >= 100 else "503 DO drop_overload"
            yield CHECK.finding(
                cluster.assignment_ref.at("policy", "drop_overloads"),
                f"{share:g} % of the requests to cluster `{cluster.name}` are dropped: {end}",
                witness=_witness(subject, cluster.name) if share >= 100 else None,
                origin=origin_of(cluster.msg),
            )


def _witness(subject: Subject, name: str) -> Witness | None:
    route = next(iter(routed_clusters(subject).get(name, ())), None)
    sole = route is not None and route.msg.route.WhichOneof("cluster_specifier") == "cluster"
    return route_request(route) if route is not None and sole else None


CHECK = Check(
    code="ESM424",
    name="dropped-by-drop-overload",
    severity="warning",
    title="Share of requests that endpoints tell to drop",
    fix="take drop_overloads off the load assignment, or lower it",
    find=find,
)
