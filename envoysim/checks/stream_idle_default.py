"""A route without timeout is still cut after five idle minutes.

## What it finds
A route with `timeout: 0s` and no `idle_timeout`, on a connection manager without `stream_idle_timeout`.

## Why it matters
The default stream idle timeout is 5 minutes: a stream (gRPC, server-sent events, WebSocket) on which nothing
moves for so long is ended, 504 `SI stream_idle_timeout`.

## Example
`timeout: 0s` for a route of quiet event streams.

## When it is harmless
The streams are never quiet for so long.

## Fix
Set idle_timeout on the route (0s switches it off), or send keep-alives.

## Source
`ConnectionManagerImpl::ActiveStream` in `source/common/http/conn_manager_impl.cc`.
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
        if not action.HasField("timeout") or duration_ms(action.timeout) or action.HasField("idle_timeout"):
            continue
        managers = route.host.table.managers
        if managers and not any(m.msg.HasField("stream_idle_timeout") for m in managers):
            yield CHECK.finding(
                route.ref.at("route", "idle_timeout"),
                f"route `{route.label}` has no timeout, but a stream that is idle for 5 minutes is cut "
                "(stream_idle_timeout, the default): 504 SI",
                origin=origin_of(route.msg),
                fold="default",
            )


CHECK = Check(
    code="ESM619",
    name="stream-idle-default",
    severity="info",
    title="Streams that are cut after five idle minutes",
    fix="set idle_timeout on the route (0s switches it off), or send keep-alives",
    find=find,
)
