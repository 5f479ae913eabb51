"""Route for gRPC that is cut after 15 s.

## What it finds
A route that matches gRPC requests alone and sets no timeout.

## Why it matters
The default of 15 s counts for streams too: a server stream ends with `DEADLINE_EXCEEDED`-like 504 `UT` after 15 s.

## Example
`match: {prefix: /chat.Chat/, grpc: {}}` with `route: {cluster: chat}`.

## When it is harmless
Only short unary calls.

## Fix
Set timeout: 0s, and max_stream_duration or idle_timeout as the limit.

## Source
`FilterUtility::finalTimeout` in `source/common/router/router.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route."""
    for route in subject.forwards:
        action = route.msg.route
        if not route.msg.match.HasField("grpc") or action.HasField("timeout") or action.HasField("max_stream_duration"):
            continue
        yield CHECK.finding(
            route.ref.at("route", "timeout"),
            f"route `{route.label}` is for gRPC and sets no timeout: streams end after 15 s (UT response_timeout)",
            origin=origin_of(route.msg),
        )


CHECK = Check(
    code="ESM614",
    name="grpc-route-default-timeout",
    severity="warning",
    title="Route for gRPC that is cut after 15 s",
    fix="set timeout: 0s, and max_stream_duration or idle_timeout as the limit",
    find=find,
)
