"""Retry of requests that may already have acted.

## What it finds
A retry policy on failures after the backend got the request (`5xx`, `gateway-error`, `reset`,
`retriable-status-codes`) for any method.

## Why it matters
A POST whose answer was lost is sent again: orders and payments are made twice.

## Example
`retry_on: 5xx` on `prefix: /`.

## When it is harmless
The backend takes each request once (idempotency keys), or only reads.

## Fix
Retry on connect-failure, refused-stream and reset-before-request only, or give writes a route without retries.

## Source
`source/common/router/retry_state_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import Msg
from .base import Check
from .retry_walk import retry_policies
from .subject import Subject, origin_of

LATE = ("5xx", "gateway-error", "reset", "retriable-status-codes", "retriable-4xx")
SAFE = ("GET", "HEAD", "OPTIONS")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per policy."""
    for item in retry_policies(subject):
        late = [t for t in item.tokens if t in LATE]
        if not late or not item.retries or item.policy.retriable_request_headers or _reads(item.route.msg.match):
            continue
        yield CHECK.finding(
            item.ref.at("retry_on"),
            f"route `{item.route.label}` retries any method on {', '.join(late)}: a write may be made twice",
            origin=origin_of(item.route.msg),
        )


def _reads(match: Msg) -> bool:
    return any(
        h.name == ":method" and (h.string_match.exact or h.exact_match) in SAFE and not h.invert_match
        for h in match.headers
    )


CHECK = Check(
    code="ESM605",
    name="retry-of-writes",
    severity="info",
    title="Retry of requests that may already have acted",
    fix="retry on connect-failure, refused-stream and reset-before-request only, or give writes a route "
    "without retries",
    find=find,
)
