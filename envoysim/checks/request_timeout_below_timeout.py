"""Uploads are cut before the route's timeout begins.

## What it finds
A connection manager with a `request_timeout` that is shorter than a route's timeout.

## Why it matters
`request_timeout` runs until the whole request has come in, body included: a slow upload ends as 408
`request_overall_timeout`, however long the route would wait for the answer.

## Example
`request_timeout: 5s` and an upload route with `timeout: 300s`.

## When it is harmless
Requests are small, and only answers are slow.

## Fix
Raise request_timeout, or leave it off for uploads.

## Source
`ActiveStream::onRequestTimeout` in `source/common/http/conn_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import duration_ms
from .base import Check
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per connection manager, for the route with the longest timeout."""
    longest: dict[int, tuple[float, str, Related]] = {}
    for route in subject.forwards:
        total = duration_ms(route.msg.route.timeout)
        for manager in route.host.table.managers:
            if total > longest.get(id(manager), (0.0,))[0]:
                longest[id(manager)] = total, route.label, Related(route.ref.at("route", "timeout"), "its timeout")
    for manager in subject.managers:
        limit = duration_ms(manager.msg.request_timeout)
        total, label, related = longest.get(id(manager), (0.0, "", None))
        if limit and total > limit and related is not None:
            yield CHECK.finding(
                manager.ref.at("request_timeout"),
                f"listener `{manager.listener.name}` cuts requests (uploads) that take over {limit / 1000:g} s to come "
                f"in, 408 request_overall_timeout, though route `{label}` allows {total / 1000:g} s",
                related=(related,),
            )


CHECK = Check(
    code="ESM622",
    name="request-timeout-below-timeout",
    severity="warning",
    title="Request timeout below the route's timeout",
    fix="raise request_timeout, or leave it off for uploads",
    find=find,
)
