"""Rate limits of a virtual host that a route's own switch off.

## What it finds
A route with `rate_limits` in a virtual host that has `rate_limits` too, without `include_vh_rate_limits`, where a rate
limit filter reads them and nothing sets its `vh_rate_limits`.

## Why it matters
Where a route has rate limits of its own, the virtual host's are not applied to it.

## Example
A limit per client on the virtual host, and one more on the route `/login`: there only the second counts.

## When it is harmless
The route's limits are meant to replace the virtual host's.

## Fix
Set include_vh_rate_limits on the route, or vh_rate_limits: INCLUDE in the filter's route configuration.

## Source
`Filter::getVirtualHostRateLimitOption` in `source/extensions/filters/http/ratelimit/ratelimit.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .filter_walk import per_filter_messages
from .local_limits import LIMIT as LOCAL
from .rate_limit_without_actions import LIMIT, PER_ROUTE
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route."""
    limiters = [i for i in subject.http_filters if i.type_name in (LIMIT, LOCAL)]
    reading = {id(i.manager) for i in limiters if i.config is not None and not i.config.rate_limits}
    if not reading:
        return
    told = {id(entry.table) for kind in (PER_ROUTE, LOCAL) for entry, _ in per_filter_messages(subject, kind)}
    for route in subject.forwards:
        action, host = route.msg.route, route.host
        if not action.rate_limits or action.include_vh_rate_limits.value or not host.msg.rate_limits:
            continue
        if id(host.table) not in told and any(id(m) in reading for m in host.table.managers):
            yield CHECK.finding(
                route.ref.at("route", "rate_limits"),
                f"route `{route.label}` has rate_limits of its own: those of virtual host `{host.msg.name}` are not "
                "applied to it (include_vh_rate_limits is not set)",
                related=(Related(host.ref.at("rate_limits"), "the virtual host's"),),
                origin=origin_of(route.msg),
            )


CHECK = Check(
    code="ESM528",
    name="rate-limit-overridden",
    severity="info",
    title="Rate limits of a virtual host that a route's own switch off",
    fix="set include_vh_rate_limits on the route, or vh_rate_limits: INCLUDE in the filter's route configuration",
    find=find,
)
