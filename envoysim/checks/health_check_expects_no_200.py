"""A health check that does not take 200 for healthy.

## What it finds
An HTTP health check with `expected_statuses` that leave 200 out.

## Why it matters
`expected_statuses` replaces the default: 200 counts as a failure unless it is listed, and healthy hosts leave the
load balancing.

## Example
`expected_statuses: [{start: 201, end: 300}]`; `end` is exclusive: `{start: 200, end: 200}` is empty.

## When it is harmless
The service answers the check with another status.

## Fix
List 200 as well: {start: 200, end: 201}.

## Source
`HttpStatusChecker` in `source/extensions/health_checkers/http/health_checker_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of

OK = 200


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per health check."""
    for cluster in subject.clusters.values():
        for i, check in enumerate(cluster.msg.health_checks):
            ranges = check.http_health_check.expected_statuses
            if ranges and not any(r.start <= OK < r.end for r in ranges):
                told = ", ".join(f"{r.start} to {r.end - 1}" for r in ranges)
                yield CHECK.finding(
                    cluster.ref.at("health_checks", i, "http_health_check", "expected_statuses"),
                    f"health check of cluster `{cluster.name}` expects status {told}: a host that answers 200 is "
                    "unhealthy",
                    origin=origin_of(cluster.msg),
                )


CHECK = Check(
    code="ESM435",
    name="health-check-expects-no-200",
    severity="warning",
    title="Health check that expects no 200",
    fix="list 200 as well: {start: 200, end: 201}",
    find=find,
)
