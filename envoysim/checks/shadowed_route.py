"""A route that no request can reach, because earlier routes take all of its requests.

## What it finds
A route whose every request is taken by one or several earlier routes of its virtual host together. The answer is
exact: path, host, method, headers, query parameters and cookies are compared as sets of texts (regular languages),
not by their look. `/a` and `/b` before a regex `/(a|b)` shadow it together; a route with a header condition shadows
nothing alone, but with its negation it does.

## Why it matters
The first route that matches wins. A shadowed route is configuration that looks alive and never acts: requests meant
for it go elsewhere.

## Example
`prefix: /` before `prefix: /api`.

## When it is harmless
The earlier routes do the same with the request (then the finding is a warning), or the route is kept for later.

## Fix
Move the route before those that take its requests, or make them narrower; delete it if it is not wanted.

## Source
`RouteMatcher::getRouteFromEntries` in `source/common/router/config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .host_reach import HostReach, host_reaches
from .route_action_text import same_action
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per shadowed route; a warning where the blocking routes act alike."""
    for host in host_reaches(subject):
        for i, result in enumerate(host.results):
            if result.shadowed and result.blockers:
                yield _finding(host, i, result.blockers)


def _finding(host: HostReach, position: int, blockers: tuple[int, ...]) -> Finding:
    route = host.routes[position]
    names = [f"`{host.routes[i].label}`" for i in blockers]
    together = f"routes {', '.join(names)} together take" if len(names) > 1 else f"route {names[0]} takes"
    values = host.reachability.example(position)
    alike = all(same_action(host.routes[i].msg, route.msg) for i in blockers)
    return CHECK.finding(
        route.ref.at("match"),
        f"no request can reach route `{route.label}` of virtual host `{host.host.msg.name}`: {together} all "
        f"of its requests before{' (and does the same)' if alike else ''}",
        related=tuple(Related(host.routes[i].ref.at("match"), "stands before it and takes") for i in blockers),
        witness=host.witness(values, position) if values is not None else None,
        origin=origin_of(route.msg),
        severity="warning" if alike else "error",
    )


CHECK = Check(
    code="ESM301",
    name="shadowed-route",
    severity="error",
    title="Route that no request can reach",
    fix="move the route before those that take its requests, make them narrower, or delete it",
    find=find,
)
