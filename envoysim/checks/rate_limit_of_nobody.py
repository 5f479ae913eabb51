"""Rate limit actions that the filter does not read, or that clients can evade.

## What it finds
`rate_limits` of another `stage` than every rate limit filter's, or with a `remote_address` action on a connection
manager that takes the client address from `x-forwarded-for` (`use_remote_address` off).

## Why it matters
A filter asks only for actions of its own stage: the others are never sent. A client address out of `x-forwarded-
for` is whatever the client writes: each request may be another.

## Example
`rate_limits: [{stage: 1, ...}]` and a filter without `stage`.

## When it is harmless
Only a trusted proxy reaches the listener.

## Fix
Use the filter's stage; set use_remote_address (and xff_num_trusted_hops) on the edge.

## Source
`source/common/router/router_ratelimit.cc`, `source/extensions/filters/http/ratelimit/ratelimit.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..model.ref import Ref
from ..schema import Msg
from .base import Check
from .rate_limit_without_actions import LIMIT
from .subject import Subject, Table

LOCAL = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per rate limit of a virtual host or route."""
    limiters = [i for i in subject.http_filters if i.type_name in (LIMIT, LOCAL) and i.config is not None]
    for table, limit, ref, where in _limits(subject) if limiters else ():
        mine = [i for i in limiters if i.manager in table.managers]
        stages = sorted({i.config.stage for i in mine if i.config is not None})
        if stages and limit.stage.value not in stages:
            yield CHECK.finding(
                ref.at("stage"),
                f"rate_limits of {where} are of stage {limit.stage.value}, the rate limit filter reads stage "
                f"{', '.join(map(str, stages))}: they never limit",
            )
        trusting = [i for i in mine if not i.manager.msg.use_remote_address.value]
        trusting = [i for i in trusting if not i.manager.msg.original_ip_detection_extensions]
        position = next((k for k, a in enumerate(limit.actions) if a.HasField("remote_address")), None)
        if trusting and position is not None:
            yield CHECK.finding(
                ref.at("actions", position, "remote_address"),
                f"rate_limits of {where} count by client address, which any client may write into x-forwarded-for "
                "(use_remote_address is off)",
            )


def _limits(subject: Subject) -> Iterator[tuple[Table, Msg, Ref, str]]:
    for host in subject.hosts:
        for i, limit in enumerate(host.msg.rate_limits):
            yield host.table, limit, host.ref.at("rate_limits", i), f"virtual host `{host.msg.name}`"
    for route in subject.forwards:
        for i, limit in enumerate(route.msg.route.rate_limits):
            yield route.host.table, limit, route.ref.at("route", "rate_limits", i), f"route `{route.label}`"


CHECK = Check(
    code="ESM523",
    name="rate-limit-of-nobody",
    severity="warning",
    title="Rate limit by another stage, or by an address clients write",
    fix="use the filter's stage; set use_remote_address (and xff_num_trusted_hops) on the edge",
    find=find,
)
