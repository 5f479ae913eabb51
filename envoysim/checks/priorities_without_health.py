"""Failover that nothing triggers.

## What it finds
A cluster with endpoints of a lower priority (1, 2, ...) but neither health checks nor outlier detection.

## Why it matters
Traffic moves to the next priority when hosts of the first are unhealthy. Without checks nothing finds that out,
unless the control plane does.

## Example
Istio locality failover without `outlierDetection` in the DestinationRule.

## When it is harmless
The control plane reports the health of endpoints (EDS).

## Fix
Add outlier_detection or health_checks to the cluster.

## Source
`source/extensions/load_balancing_policies/common/load_balancer_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    for cluster in subject.clusters.values():
        if cluster.msg.health_checks or cluster.msg.HasField("outlier_detection") or cluster.assignment is None:
            continue
        for i, locality in enumerate(cluster.assignment.endpoints):
            if locality.priority and locality.lb_endpoints:
                yield CHECK.finding(
                    cluster.assignment_ref.at("endpoints", i, "priority"),
                    f"cluster `{cluster.name}` has endpoints of priority {locality.priority}, but "
                    "neither health checks "
                    "nor outlier detection: failover does not start",
                    origin=origin_of(cluster.msg),
                )
                break


CHECK = Check(
    code="ESM415",
    name="priorities-without-health",
    severity="warning",
    title="Failover that nothing triggers",
    fix="add outlier_detection or health_checks to the cluster",
    find=find,
)
