"""Fault injection that is on.

## What it finds
A fault filter, or its per-route configuration, that aborts or delays a share of the requests.

## Why it matters
Aborted requests end with the fault's status, flag `FI`, details `fault_filter_abort`; the backend never sees them.
A fault left on looks like a broken backend.

## Example
`abort: {http_status: 503, percentage: {numerator: 10}}`.

## When it is harmless
The test is going on.

## Fix
Take the fault off when the test is over.

## Source
`source/extensions/filters/http/fault/fault_filter.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..model.ref import Ref
from ..schema import Msg, enum_name
from .base import Check
from .filter_walk import per_filter_messages
from .subject import RouteItem, Subject, origin_of
from .witness import route_request

FAULT = "envoy.extensions.filters.http.fault.v3.HTTPFault"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per fault."""
    for item in subject.http_filters:
        if item.type_name == FAULT and item.config is not None:
            yield from _faults(item.config, item.ref, f"filter `{item.name}`", None)
    for entry, config in per_filter_messages(subject, FAULT):
        where = f"route `{entry.route.label}`" if entry.route is not None else f"route table `{entry.table.name}`"
        yield from _faults(config, entry.ref, where, entry.route)


def _faults(config: Msg, ref: Ref, where: str, route: RouteItem | None) -> Iterator[Finding]:
    for kind in ("abort", "delay"):
        if not config.HasField(kind):
            continue
        fault = getattr(config, kind)
        share = fault.percentage
        if not share.numerator:
            continue
        what = f"aborts requests with {fault.http_status or 'a gRPC status'}" if kind == "abort" else "delays requests"
        whole = share.numerator >= 100 and enum_name(share, "denominator") == "HUNDRED"
        yield CHECK.finding(
            ref.at(kind),
            f"{where} {what} ({share.numerator} of {enum_name(share, 'denominator').lower()}): FI fault_filter_{kind}",
            witness=route_request(route) if route is not None and whole and not config.headers else None,
            origin=origin_of(route.msg) if route is not None else None,
        )


CHECK = Check(
    code="ESM508",
    name="fault-injection-on",
    severity="warning",
    title="Fault injection that is on",
    fix="take the fault off when the test is over",
    find=find,
)
