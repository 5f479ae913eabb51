"""Rate limit service that is never asked.

## What it finds
A rate limit filter on a connection manager none of whose routes or virtual hosts has `rate_limits`.

## Why it matters
The service is asked only for the descriptors that `rate_limits` actions make. Without them no request is limited.

## Example
The filter and the service are set up, the routes are forgotten.

## When it is harmless
Only some route tables that share the filter are limited.

## Fix
Add rate_limits with actions to the routes or virtual hosts.

## Source
`source/extensions/filters/http/ratelimit/ratelimit.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .filter_walk import per_filter_messages
from .subject import Subject

LIMIT = "envoy.extensions.filters.http.ratelimit.v3.RateLimit"
PER_ROUTE = "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per filter."""
    waiting = [
        i for i in subject.http_filters if i.type_name == LIMIT and i.config is not None and not i.config.rate_limits
    ]
    if not waiting:
        return
    limited = {id(h.table) for h in subject.hosts if h.msg.rate_limits}
    limited |= {id(r.host.table) for r in subject.forwards if r.msg.route.rate_limits}
    limited |= {id(e.table) for e, m in per_filter_messages(subject, PER_ROUTE)}
    for item in waiting:
        tables = [t for t in subject.tables if item.manager in t.managers]
        if tables and not any(id(t) in limited for t in tables):
            yield CHECK.finding(
                item.ref,
                f"rate limit filter `{item.name}` of listener `{item.manager.listener.name}` asks "
                "nobody: its routes have "
                "no rate_limits",
                related=(Related(tables[0].ref, "the route table"),),
            )


CHECK = Check(
    code="ESM510",
    name="rate-limit-without-actions",
    severity="warning",
    title="Rate limit service that is never asked",
    fix="add rate_limits with actions to the routes or virtual hosts",
    find=find,
)
