"""An earlier route takes part of the requests a later, more specific path is meant for.

## What it finds
Two routes with different targets that both take some requests, where the earlier one is not simply the narrower of
the two: its paths go beyond the later route's (decided exactly). Virtual hosts with more than 200 routes are only
named: pairs are too many.

## Why it matters
A list that goes from narrow to wide reads as it works. Here the order decides in a way that cannot be seen: for
some requests the first route wins over a later one with a closer path.

## Example
`prefix: /` with header `x-canary` to `v2`, before `prefix: /api` to `api`: `/api` with the header goes to `v2`.

## When it is harmless
The overlap is meant: a canary for everything.

## Fix
Put the closer path first, or add the condition that tells the two apart.

## Source
`RouteMatcher::getRouteFromEntries` in `source/common/router/config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .host_reach import HostReach, host_reaches
from .language import Unsupported
from .reach import Reachability
from .route_action_text import same_action, target
from .subject import Subject, origin_of

MOST_ROUTES = 200


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route of which an earlier one takes a part: the first such pair."""
    for host in host_reaches(subject):
        if len(host.routes) > MOST_ROUTES:  # pairs grow with the square
            yield _too_many(host)
            continue
        reachability = host.reachability if len(host.routes) > 1 else None
        for i, result in enumerate(host.results):
            if result.example is not None and reachability is not None and i:
                yield from _first(host, reachability, i)


def _too_many(host: HostReach) -> Finding:
    return CHECK.finding(
        host.routes[0].host.ref.at("routes"),
        f"virtual host `{host.routes[0].host.msg.name}` has {len(host.routes):,} routes: whether some cross was not "
        f"decided (more than {MOST_ROUTES})",
        fix="ask `trace` which route takes a request",
        fold="too many",
    )


def _first(host: HostReach, reachability: Reachability, position: int) -> Iterator[Finding]:
    later = host.routes[position]
    for i in range(position):
        earlier = host.routes[i]
        if host.conditions[i] is host.conditions[position] or same_action(earlier.msg, later.msg):
            continue
        try:
            if not host.path_beyond(i, position):
                continue
            values = reachability.overlap(i, position)
        except Unsupported:
            continue
        if values is None:
            continue
        # The overlap's example may belong to a route before both.
        if any(c.holds(values) for c in host.conditions[:i]):
            continue
        yield CHECK.finding(
            earlier.ref.at("match"),
            f"route `{earlier.label}` ({target(earlier.msg)}) takes some requests that the closer path of the later "
            f"route `{later.label}` ({target(later.msg)}) asks for too: the first match wins",
            related=(Related(later.ref.at("match"), "the later route"),),
            witness=host.witness(values, i, position),
            origin=origin_of(earlier.msg),
            fold=f"{earlier.label} {later.label}",
        )
        return


CHECK = Check(
    code="ESM304",
    name="crossing-routes",
    severity="info",
    title="Earlier route that takes part of a closer path",
    fix="put the route with the closer path first, or add the condition that tells the two apart",
    find=find,
)
