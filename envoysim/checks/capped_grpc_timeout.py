"""Deadlines of gRPC clients that are cut short.

## What it finds
A route with `max_grpc_timeout` or `grpc_timeout_header_max` above 0.

## Why it matters
A client's deadline (`grpc-timeout`) counts only up to this cap. Where `max_grpc_timeout` is set, calls without a
deadline end at the cap too. The client sees the deadline exceeded long before its own: 504 `UT response_timeout`
with `max_grpc_timeout`, details `max_duration_timeout` with `grpc_timeout_header_max`.

## Example
`max_grpc_timeout: 5s` and a client that allows a minute.

## When it is harmless
No call takes longer than the cap.

## Fix
Raise the cap to the longest deadline that clients may ask for.

## Source
`FilterUtility::finalTimeout` in `source/common/router/router.cc`,
`ConnectionManagerImpl::ActiveStream::refreshDurationTimeout` in `source/common/http/conn_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import duration_ms
from .base import Check
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route."""
    for route in subject.forwards:
        action = route.msg.route
        cap = duration_ms(action.max_grpc_timeout)
        if cap:
            yield CHECK.finding(
                route.ref.at("route", "max_grpc_timeout"),
                f"route `{route.label}` ends gRPC calls after {cap / 1000:g} s (max_grpc_timeout), whatever deadline "
                "the client asks for (grpc-timeout): 504 UT response_timeout",
                origin=origin_of(route.msg),
                fold="max_grpc_timeout",
            )
        cap = duration_ms(action.max_stream_duration.grpc_timeout_header_max)
        if cap:
            yield CHECK.finding(
                route.ref.at("route", "max_stream_duration", "grpc_timeout_header_max"),
                f"route `{route.label}` caps the client's deadline (grpc-timeout) at {cap / 1000:g} s "
                "(grpc_timeout_header_max): longer calls end with DEADLINE_EXCEEDED",
                origin=origin_of(route.msg),
                fold="grpc_timeout_header_max",
            )


CHECK = Check(
    code="ESM623",
    name="capped-grpc-timeout",
    severity="info",
    title="Deadlines of gRPC clients that are cut short",
    fix="raise the cap to the longest deadline that clients may ask for",
    find=find,
)
