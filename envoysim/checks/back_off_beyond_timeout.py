"""Back-off that is longer than the request may last.

## What it finds
A `retry_back_off` whose `base_interval` is at or above the route's timeout.

## Why it matters
Envoy waits up to the base interval before the first retry. When the request has ended by then, the retry is rarely
made.

## Example
`base_interval: 20s` on a route with the default timeout of 15 s.

## When it is harmless
Never.

## Fix
Shorten retry_back_off.base_interval, or raise the route timeout.

## Source
`JitteredExponentialBackOffStrategy` in `source/common/common/backoff_strategy.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import duration_ms
from .base import Check
from .retry_walk import retry_policies
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per policy."""
    for item in retry_policies(subject):
        if not item.policy.HasField("retry_back_off"):
            continue
        base, total = duration_ms(item.policy.retry_back_off.base_interval), item.total_ms
        if total and base >= total:
            yield CHECK.finding(
                item.ref.at("retry_back_off", "base_interval"),
                f"route `{item.route.label}` waits up to {base / 1000:g} s before a retry, and the request ends after "
                f"{total / 1000:g} s",
                origin=origin_of(item.route.msg),
            )


CHECK = Check(
    code="ESM608",
    name="back-off-beyond-timeout",
    severity="warning",
    title="Back-off that is longer than the request may last",
    fix="shorten retry_back_off.base_interval, or raise the route timeout",
    find=find,
)
