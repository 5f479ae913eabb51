"""A route whose conditions contradict each other.

## What it finds
A route that no request can pass even if it stood alone: two values for one header, a path that cannot occur, a
regex that RE2 refuses, a share of 0 %.

## Why it matters
The route never acts, and nothing in Envoy says so.

## Example
`path: /a?b=c`: paths are compared without their query.

## When it is harmless
The route is switched off on purpose.

## Fix
Correct the condition, or delete the route.

## Source
`RouteEntryImplBase::matchRoute` in `source/common/router/config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .host_reach import HostReach, host_reaches
from .reach import Empty, solve
from .route_condition import PATH
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route that nothing can pass."""
    for host in host_reaches(subject):
        for i, result in enumerate(host.results):
            if result.shadowed and not result.blockers:
                route = host.routes[i]
                yield CHECK.finding(
                    route.ref.at("match"),
                    f"route `{route.label}` of virtual host `{host.host.msg.name}` can never match: no request "
                    f"passes its condition on {_dimension(host, i)}",
                    origin=origin_of(route.msg),
                )


def _dimension(host: HostReach, position: int) -> str:
    literals = host.conditions[position].literals
    for dimension in dict.fromkeys(x.dimension for x in literals):
        mine = frozenset(x for x in literals if x.dimension == dimension)
        try:
            solve(dimension, mine, host.paths)
        except Empty:
            texts = sorted({f"`{x.texts.text}`" for x in mine if x.texts is not None})
            name = "the path" if dimension == PATH else dimension
            return f"{name} ({' and '.join(texts)})" if texts else name
    return "path and method together"


CHECK = Check(
    code="ESM307",
    name="impossible-condition",
    severity="error",
    title="Route whose conditions no request can pass",
    fix="correct the contradicting condition, or delete the route",
    find=find,
)
