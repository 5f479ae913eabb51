"""Retry condition that does not exist.

## What it finds
A word in `retry_on` that is none of Envoy's retry conditions.

## Why it matters
Unknown words are ignored without an error. With no other word nothing is retried.

## Example
`retry_on: "5xx,connection-failure"` (it is `connect-failure`).

## When it is harmless
Never.

## Fix
Correct the word; the conditions are listed under x-envoy-retry-on and x-envoy-retry-grpc-on.

## Source
`RetryStateImpl::parseRetryOn` in `source/common/router/retry_state_impl.cc`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .retry_walk import retry_policies
from .subject import Subject, origin_of

KNOWN = set(
    """5xx gateway-error reset reset-before-request connect-failure envoy-ratelimited retriable-4xx refused-stream
    retriable-status-codes retriable-headers http3-post-connect-failure cancelled deadline-exceeded internal
    resource-exhausted unavailable""".split()
)


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per policy with an unknown word."""
    for item in retry_policies(subject):
        for token in item.tokens:
            if token in KNOWN or (token.isdigit() and len(token) == 3):
                continue
            close = difflib.get_close_matches(token, KNOWN, n=1)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            rest = "the others count" if any(t in KNOWN for t in item.tokens) else "nothing is retried"
            yield CHECK.finding(
                item.ref.at("retry_on"),
                f"route `{item.route.label}` retries on `{token}`, which Envoy does not know: {rest}{hint}",
                origin=origin_of(item.route.msg),
            )


CHECK = Check(
    code="ESM603",
    name="unknown-retry-condition",
    severity="error",
    title="Retry condition that does not exist",
    fix="correct the word; the conditions are listed under x-envoy-retry-on and x-envoy-retry-grpc-on",
    find=find,
)
