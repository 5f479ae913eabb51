"""Locality that gets no traffic.

## What it finds
A cluster with `locality_weighted_lb_config`, some of whose localities have a weight and some none.

## Why it matters
A locality without a weight counts as 0: its hosts get nothing.

## Example
`load_balancing_weight` on two of three zones.

## When it is harmless
The zone is drained on purpose.

## Fix
Give every locality a load_balancing_weight.

## Source
`source/extensions/load_balancing_policies/common/locality_wrr.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per locality."""
    for cluster in subject.clusters.values():
        if not cluster.msg.common_lb_config.HasField("locality_weighted_lb_config") or cluster.assignment is None:
            continue
        localities = [(i, e) for i, e in enumerate(cluster.assignment.endpoints) if e.lb_endpoints]
        if not any(e.load_balancing_weight.value for _, e in localities):
            continue
        for i, locality in localities:
            if not locality.load_balancing_weight.value:
                yield CHECK.finding(
                    cluster.assignment_ref.at("endpoints", i, "load_balancing_weight"),
                    f"locality {locality.locality.region}/{locality.locality.zone} of cluster `{cluster.name}` has no "
                    "weight while others have: its hosts get no requests",
                    origin=origin_of(cluster.msg),
                )


CHECK = Check(
    code="ESM414",
    name="locality-without-weight",
    severity="warning",
    title="Locality that gets no traffic",
    fix="give every locality a load_balancing_weight",
    find=find,
)
