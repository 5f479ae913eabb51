"""Retriable codes or headers that are not switched on.

## What it finds
`retriable_status_codes` or `retriable_headers` without the word of that name in `retry_on`, or the word without a
list.

## Why it matters
Both are needed: the list alone retries nothing, the word alone has nothing to compare.

## Example
`retry_on: 5xx, retriable_status_codes: [409]`: 409 is not retried.

## When it is harmless
Requests bring the codes themselves (`x-envoy-retriable-status-codes`).

## Fix
Add `retriable-status-codes` (or `retriable-headers`) to retry_on, or list the codes.

## Source
`source/common/router/retry_state_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .retry_walk import retry_policies
from .subject import Subject, origin_of

PAIRS = (("retriable_status_codes", "retriable-status-codes"), ("retriable_headers", "retriable-headers"))


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per half."""
    for item in retry_policies(subject):
        for field, word in PAIRS:
            listed, named = bool(getattr(item.policy, field)), word in item.tokens
            if listed == named:
                continue
            what = f"lists {field} without" if listed else "names"
            end = (
                f"`{word}` in retry_on: they are not retried"
                if listed
                else f"`{word}` without {field}: nothing to compare"
            )
            yield CHECK.finding(
                item.ref.at(field if listed else "retry_on"),
                f"route `{item.route.label}` {what} {end}",
                origin=origin_of(item.route.msg),
            )


CHECK = Check(
    code="ESM604",
    name="retry-codes-without-condition",
    severity="warning",
    title="Retriable codes or headers that are not switched on",
    fix="add `retriable-status-codes` (or `retriable-headers`) to retry_on, or list the codes",
    find=find,
)
