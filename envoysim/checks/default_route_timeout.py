"""A route sets no timeout and gets the default of 15 seconds.

## What it finds
Forwarding routes without `timeout`.

## Why it matters
An absent timeout is not "no timeout": after 15 s the request ends with 504 `UT response_timeout`. Slow endpoints,
reports, uploads and streaming responses are cut.

## Example
`route: {cluster: reports}`.

## When it is harmless
Every answer comes within 15 s.

## Fix
Set `timeout` on the route; `0s` switches it off.

## Source
`RouteEntryImplBase::timeout` (default 15 s) in `source/common/router/config_impl.h`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of
from .witness import route_request


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per forwarding route without a timeout."""
    for route in subject.routes:
        if route.msg.WhichOneof("action") != "route":
            continue
        action = route.msg.route
        if action.HasField("timeout") or action.HasField("max_stream_duration"):
            continue
        yield CHECK.finding(
            route.ref.at("route", "timeout"),
            "route sets no timeout: the default of 15 s ends slow answers with 504 UT response_timeout",
            witness=route_request(route),
            origin=origin_of(route.msg),
        )


CHECK = Check(
    code="ESM601",
    name="default-route-timeout",
    severity="info",
    title="Route without a timeout",
    fix="set `timeout` on the route (0s switches it off)",
    find=find,
)
