"""Retry policy that retries nothing.

## What it finds
A retry policy without `retry_on`.

## Why it matters
`num_retries` alone does nothing: without conditions no answer is retried.

## Example
`retry_policy: {num_retries: 3}`.

## When it is harmless
Requests bring `x-envoy-retry-on` and may (internal clients).

## Fix
Set retry_on.

## Source
`source/common/router/retry_state_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .retry_walk import retry_policies
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per policy."""
    for item in retry_policies(subject):
        if not item.tokens and item.retries:
            yield CHECK.finding(
                item.ref.at("retry_on"),
                f"route `{item.route.label}` has a retry policy without retry_on: nothing is retried",
                origin=origin_of(item.route.msg),
            )


CHECK = Check(
    code="ESM615",
    name="retry-without-condition",
    severity="warning",
    title="Retry policy that retries nothing",
    fix="set retry_on",
    find=find,
)
