"""Idle timeout that ends the request before its timeout.

## What it finds
A route whose timeout is longer than the stream idle timeout in force (5 minutes where nothing sets it), or has no
timeout at all while the idle timeout is set short.

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
        if not action.HasField("timeout") or action.HasField("idle_timeout") or not route.host.table.managers:
            continue
        total = duration_ms(action.timeout)
        hcm = route.host.table.managers[0].msg
        idle = duration_ms(hcm.stream_idle_timeout) if hcm.HasField("stream_idle_timeout") else DEFAULT_MS
        if idle and total > idle:
            yield CHECK.finding(
                route.ref.at("route", "idle_timeout"),
                f"route `{route.label}` allows {total / 1000:g} s, but a stream without a byte for "
                f"{idle / 1000:g} s ends "
                "with 504 SI stream_idle_timeout",
                related=(Related(route.host.table.managers[0].ref.at("stream_idle_timeout"), "the idle timeout"),),
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
