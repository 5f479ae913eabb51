"""Idle timeout that ends the request before its timeout.

## What it finds
A route whose timeout is longer than the stream idle timeout in force (its own, the connection manager's, or 5 minutes
where neither sets it), or has no timeout at all while an idle timeout is set that is shorter than 5 minutes.

## Why it matters
While the backend thinks, nothing moves on the stream: the idle timeout ends it first, 504 with flag `SI`, details
`stream_idle_timeout`.

## Example
`timeout: 600s` and no `idle_timeout`.

## When it is harmless
Answers begin early and stream on.

## Fix
Set idle_timeout on the route (0s switches it off) or raise stream_idle_timeout.

## Source
`ActiveStream::onIdleTimeout` in `source/common/http/conn_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import duration_ms
from .base import Check
from .subject import Subject, origin_of

DEFAULT_MS = 300_000.0


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route."""
    for route in subject.forwards:
        action = route.msg.route
        if not action.HasField("timeout") or not route.host.table.managers:
            continue
        total, manager = duration_ms(action.timeout), route.host.table.managers[0]
        own, inherited = action.HasField("idle_timeout"), manager.msg.HasField("stream_idle_timeout")
        idle = DEFAULT_MS
        if own or inherited:
            idle = duration_ms(action.idle_timeout if own else manager.msg.stream_idle_timeout)
        if idle and (total > idle or (not total and idle < DEFAULT_MS)):
            allowed = f"allows {total / 1000:g} s" if total else "has no timeout (0s)"
            yield CHECK.finding(
                manager.ref.at("stream_idle_timeout")
                if inherited and not own
                else route.ref.at("route", "idle_timeout"),
                f"route `{route.label}` {allowed}, but a stream without a byte for {idle / 1000:g} s "
                f"({'idle_timeout' if own else 'stream_idle_timeout'}{'' if own or inherited else ', the default'}) "
                "ends with 504 SI stream_idle_timeout",
                related=(Related(route.ref.at("route", "timeout"), "the route's timeout"),),
                origin=origin_of(route.msg),
            )


CHECK = Check(
    code="ESM609",
    name="idle-timeout-below-timeout",
    severity="warning",
    title="Idle timeout that ends the request before its timeout",
    fix="set idle_timeout on the route (0s switches it off) or raise stream_idle_timeout",
    find=find,
)
