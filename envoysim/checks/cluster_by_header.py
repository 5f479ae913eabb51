"""Cluster that a request header names.

## What it finds
A route with `cluster_header`.

## Why it matters
A request without the header, or with the name of no cluster, ends as 503 `NC`, details `cluster_not_found`.

## Example
`cluster_header: x-cluster`, and clients that do not send it.

## When it is harmless
A proxy in front always sets the header.

## Fix
Match the header in the route, and add a route for requests without it.

## Source
`Filter::decodeHeaders` in `source/common/router/router.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of
from .witness import route_request


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route that takes requests without the header."""
    for route in subject.forwards:
        name = route.msg.route.cluster_header
        if not name or any(h.name.lower() == name.lower() for h in route.msg.match.headers):
            continue
        conditional = route.msg.match.headers or route.msg.match.query_parameters
        default = route.msg.route.cluster_not_found_response_code == 0
        yield CHECK.finding(
            route.ref.at("route", "cluster_header"),
            f"route `{route.label}` takes its cluster from header `{name}`: requests without it, or with a name that "
            f"no cluster has, end as {'503 NC cluster_not_found' if default else 'cluster_not_found (NC)'}",
            witness=None if conditional else route_request(route),
            origin=origin_of(route.msg),
        )


CHECK = Check(
    code="ESM338",
    name="cluster-by-header",
    severity="info",
    title="Cluster that a request header names",
    fix="match the header in the route, and add a route for requests without it",
    find=find,
)
