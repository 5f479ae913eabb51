"""Maximum stream duration below the route's timeout.

## What it finds
A route timeout above the connection manager's or the cluster's `max_stream_duration`, or switched off (0s) beside one.

## Why it matters
The shorter one ends the request: 504 without a flag (`max_duration_timeout`), or flag `UMSDR` from the cluster. The
timeout is never reached.

## Example
`common_http_protocol_options: {max_stream_duration: 30s}`, `timeout: 60s`.

## When it is harmless
The limit is meant as a safety net below every timeout.

## Fix
Raise max_stream_duration, or shorten the route's timeout.

## Source
`source/common/http/conn_manager_impl.cc`, `source/common/router/router.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..model.ref import Ref
from ..schema import duration_ms
from .base import Check
from .cluster_walk import http_options
from .subject import RouteItem, Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route."""
    for route in subject.forwards:
        action = route.msg.route
        if not action.HasField("timeout") or action.HasField("max_stream_duration"):
            continue
        total = duration_ms(action.timeout)
        for manager in route.host.table.managers[:1]:
            common = manager.msg.common_http_protocol_options
            if common.HasField("max_stream_duration"):
                yield from _finding(
                    route,
                    total,
                    duration_ms(common.max_stream_duration),
                    "the connection manager",
                    manager.ref.at("common_http_protocol_options", "max_stream_duration"),
                )
        for name, _ in subject.cluster_names(route):
            cluster = subject.clusters.get(name)
            options = http_options(cluster) if cluster is not None else None
            if (
                cluster is not None
                and options is not None
                and options.common_http_protocol_options.HasField("max_stream_duration")
            ):
                most = duration_ms(options.common_http_protocol_options.max_stream_duration)
                yield from _finding(route, total, most, f"cluster `{name}`", cluster.ref)


def _finding(route: RouteItem, total: float, most: float, where: str, ref: Ref) -> Iterator[Finding]:
    if most and not total:
        yield CHECK.finding(
            ref,
            f"route `{route.label}` has no timeout (0s), but {where} ends every stream after {most / 1000:g} s "
            "(max_stream_duration)",
            related=(Related(route.ref.at("route", "timeout"), "the route's timeout"),),
            origin=origin_of(route.msg),
            fold=where,
        )
    if 0 < most < total:
        yield CHECK.finding(
            route.ref.at("route", "timeout"),
            f"route `{route.label}` allows {total / 1000:g} s, but {where} ends every stream after {most / 1000:g} s",
            related=(Related(ref, "max_stream_duration"),),
            origin=origin_of(route.msg),
        )


CHECK = Check(
    code="ESM610",
    name="stream-duration-below-timeout",
    severity="warning",
    title="Maximum stream duration below the route's timeout",
    fix="raise max_stream_duration, or shorten the route's timeout",
    find=find,
)
