"""Route timeout that max_stream_duration switches off.

## What it finds
A route with both `timeout` and `max_stream_duration`.

## Why it matters
The mere presence of `max_stream_duration` on the route switches its `timeout` off, for every request.

## Example
`timeout: 5s` with `max_stream_duration: {grpc_timeout_header_max: 60s}`.

## When it is harmless
The duration set there is the limit that is wanted.

## Fix
Put the limit into max_stream_duration.max_stream_duration, or drop max_stream_duration.

## Source
`FilterUtility::finalTimeout` in `source/common/router/router.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import duration_ms
from .base import Check
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route."""
    for route in subject.forwards:
        action = route.msg.route
        if action.HasField("timeout") and action.HasField("max_stream_duration") and duration_ms(action.timeout):
            own = action.max_stream_duration
            limit = duration_ms(own.max_stream_duration) if own.HasField("max_stream_duration") else 0.0
            yield CHECK.finding(
                route.ref.at("route", "max_stream_duration"),
                f"route `{route.label}` sets timeout {duration_ms(action.timeout) / 1000:g} s, which "
                "max_stream_duration "
                f"switches off: the limit is {f'{limit / 1000:g} s' if limit else 'none'}",
                related=(Related(route.ref.at("route", "timeout"), "the timeout that does not count"),),
                origin=origin_of(route.msg),
            )


CHECK = Check(
    code="ESM611",
    name="timeout-switched-off",
    severity="warning",
    title="Route timeout that max_stream_duration switches off",
    fix="put the limit into max_stream_duration.max_stream_duration, or drop max_stream_duration",
    find=find,
)
