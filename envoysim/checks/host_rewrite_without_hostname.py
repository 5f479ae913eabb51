"""Automatic host rewrite without a host name.

## What it finds
A route with `auto_host_rewrite` to a cluster whose endpoints are IP addresses without `hostname`.

## Why it matters
The rewrite takes the endpoint's host name. Where there is none the Host header stays as the client sent it, and a
backend that serves by name answers 404 or 421.

## Example
`auto_host_rewrite: true` to an EDS cluster.

## When it is harmless
The backend does not look at the Host header.

## Fix
Set `hostname` on the endpoints, use STRICT_DNS, or use host_rewrite_literal.

## Source
`Filter::UpstreamRequest` in `source/common/router/upstream_request.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import enum_name
from .base import Check
from .endpoint_walk import endpoints_of
from .subject import Subject, origin_of
from .witness import route_request


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route and cluster."""
    for route in subject.forwards:
        if not route.msg.route.auto_host_rewrite.value:
            continue
        for name, _ in subject.cluster_names(route):
            cluster = subject.clusters.get(name)
            if cluster is None or enum_name(cluster.msg, "type") not in ("EDS", "STATIC"):
                continue
            bare = [e for e in endpoints_of(cluster) if not e.msg.endpoint.hostname]
            if bare:
                yield CHECK.finding(
                    route.ref.at("route", "auto_host_rewrite"),
                    f"route `{route.label}` rewrites the host to the endpoint's name, but endpoint "
                    f"{bare[0].address} of "
                    f"cluster `{name}` has none: the Host header stays",
                    related=(Related(bare[0].ref, "no hostname"),),
                    witness=route_request(route),
                    origin=origin_of(route.msg),
                )


CHECK = Check(
    code="ESM325",
    name="host-rewrite-without-hostname",
    severity="warning",
    title="Automatic host rewrite without a host name",
    fix="set `hostname` on the endpoints, use STRICT_DNS, or use host_rewrite_literal",
    find=find,
)
