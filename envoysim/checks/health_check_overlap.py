"""Health check that outlasts its interval.

## What it finds
A health check whose `timeout` is longer than its `interval`.

## Why it matters
The next check starts only after the last has ended: a dead host is noticed after timeout x unhealthy_threshold, not
after interval x unhealthy_threshold.

## Example
`interval: 5s, timeout: 30s, unhealthy_threshold: 3`: 90 s and more.

## When it is harmless
Checks are slow by nature.

## Fix
Make timeout shorter than interval.

## Source
`source/common/upstream/health_checker_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import duration_ms
from .base import Check
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per health check."""
    for cluster in subject.clusters.values():
        for i, check in enumerate(cluster.msg.health_checks):
            timeout, interval = duration_ms(check.timeout), duration_ms(check.interval)
            if interval and timeout > interval:
                yield CHECK.finding(
                    cluster.ref.at("health_checks", i, "timeout"),
                    f"health check of cluster `{cluster.name}` times out after {timeout / 1000:g} s, longer than its "
                    f"interval of {interval / 1000:g} s",
                    origin=origin_of(cluster.msg),
                )


CHECK = Check(
    code="ESM426",
    name="health-check-overlap",
    severity="info",
    title="Health check that outlasts its interval",
    fix="make timeout shorter than interval",
    find=find,
)
