"""Weights that were meant to sum to 100.

## What it finds
Weighted clusters whose weights look like percentages (the sum is from 90 to 110) but do not sum to 100.

## Why it matters
Envoy divides by the sum, whatever it is: no error, and shares that nobody wrote down.

## Example
`weights: 80, 25`.

## When it is harmless
The weights are not percentages.

## Fix
Correct the weights.

## Source
`source/common/router/weighted_cluster_specifier.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of
from .witness import route_request


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per such list."""
    for route in subject.forwards:
        if route.msg.route.WhichOneof("cluster_specifier") != "weighted_clusters":
            continue
        weights = [c.weight.value for c in route.msg.route.weighted_clusters.clusters]
        total = sum(weights)
        if len(weights) > 1 and 90 <= total <= 110 and total != 100:
            yield CHECK.finding(
                route.ref.at("route", "weighted_clusters"),
                f"weights {', '.join(map(str, weights))} of route `{route.label}` sum to {total}: "
                "each share is its weight "
                f"of {total}",
                witness=route_request(route),
                origin=origin_of(route.msg),
            )


CHECK = Check(
    code="ESM317",
    name="weights-miss-hundred",
    severity="warning",
    title="Weights that were meant to sum to 100",
    fix="correct the weights",
    find=find,
)
