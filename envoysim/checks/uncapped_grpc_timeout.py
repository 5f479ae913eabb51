"""Clients decide how long a gRPC call may last.

## What it finds
A route that takes the timeout from the `grpc-timeout` header with a cap of 0, which means none.

## Why it matters
Any client can hold a stream and its buffers for as long as it likes.

## Example
`max_grpc_timeout: 0s`.

## When it is harmless
Clients are trusted.

## Fix
Set a cap in grpc_timeout_header_max (or max_grpc_timeout).

## Source
`FilterUtility::finalTimeout` in `source/common/router/router.cc`.
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
        for owner, field in ((action, "max_grpc_timeout"), (action.max_stream_duration, "grpc_timeout_header_max")):
            if owner.HasField(field) and not duration_ms(getattr(owner, field)):
                place = ("route", field) if owner is action else ("route", "max_stream_duration", field)
                yield CHECK.finding(
                    route.ref.at(*place),
                    f"route `{route.label}` lets clients choose the timeout (grpc-timeout) without a cap",
                    origin=origin_of(route.msg),
                )


CHECK = Check(
    code="ESM612",
    name="uncapped-grpc-timeout",
    severity="info",
    title="Clients decide how long a gRPC call may last",
    fix="set a cap in grpc_timeout_header_max (or max_grpc_timeout)",
    find=find,
)
