"""Route without any limit in time.

## What it finds
A route with `timeout: 0s` for which no idle timeout and no maximum duration is in force either.

## Why it matters
A backend that never answers holds the request, its connection and its buffers until the client gives up.

## Example
`timeout: 0s` and `stream_idle_timeout: 0s` (Istio sets both).

## When it is harmless
Long streams; clients have timeouts of their own.

## Fix
Set a timeout, or an idle_timeout for streams.

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
        if not action.HasField("timeout") or duration_ms(action.timeout) or action.HasField("max_stream_duration"):
            continue
        if not route.host.table.managers:
            continue
        hcm = route.host.table.managers[0].msg
        idle = action.idle_timeout if action.HasField("idle_timeout") else hcm.stream_idle_timeout
        idle_off = (action.HasField("idle_timeout") or hcm.HasField("stream_idle_timeout")) and not duration_ms(idle)
        if idle_off and not hcm.common_http_protocol_options.HasField("max_stream_duration"):
            yield CHECK.finding(
                route.ref.at("route", "timeout"),
                "route has no limit in time: timeout and idle timeout are 0",
                origin=origin_of(route.msg),
            )


CHECK = Check(
    code="ESM613",
    name="no-timeout",
    severity="info",
    title="Route without any limit in time",
    fix="set a timeout, or an idle_timeout for streams",
    find=find,
)
