"""A prefix also takes its siblings: `/a/test` takes `/a/test-root`.

## What it finds
A route with a plain `prefix` that does not end at a slash, before a later route of the same virtual host whose path
begins with the same characters but goes on within the segment.

## Why it matters
The first route that matches wins, and `prefix` compares characters, not segments. Requests meant for the longer
path go to the earlier route's cluster.

## Example
`prefix: /notebook/test` before `prefix: /notebook/test-root`.

## When it is harmless
The two routes do the same.

## Fix
Put the longer prefix first, or use `path_separated_prefix`.

## Source
`PrefixRouteEntryImpl::matches` in `source/common/router/config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

from ..model.finding import Finding, Related
from ..schema import Msg
from .base import Check
from .subject import RouteItem, Subject, origin_of
from .witness import route_request

PLAIN = ("prefix", "path", "path_separated_prefix")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each earlier prefix that cuts into a later route's path."""
    hosts: dict[int, list[RouteItem]] = {}
    for route in subject.routes:
        hosts.setdefault(id(route.host), []).append(route)
    for routes in hosts.values():
        yield from _in_host(routes)


def _in_host(routes: list[RouteItem]) -> Iterator[Finding]:
    earlier: dict[str, list[tuple[int, RouteItem]]] = {}
    lengths: set[int] = set()
    for position, route in enumerate(routes):
        match = route.msg.match
        kind = match.WhichOneof("path_specifier")
        path = getattr(match, kind) if kind in PLAIN else None
        if path is not None:
            begins = [path[:length] for length in lengths if length < len(path) and path[length] not in "/?"]
            for _, other in sorted((x for prefix in begins for x in earlier.get(prefix, ())), key=itemgetter(0)):
                prefix = other.msg.match.prefix
                if _unconditional(other.msg.match, match) and _differ(other.msg, route.msg):
                    yield CHECK.finding(
                        other.ref.at("match", "prefix"),
                        f"prefix `{prefix}` of route `{other.label}` stands before and also takes `{path}`, "
                        "which route "
                        f"`{route.label}` is meant for: the first match wins and a prefix does not end at a segment",
                        related=(Related(route.ref.at("match", kind), "the route that is passed over"),),
                        witness=route_request(route, path=path),
                        origin=origin_of(other.msg),
                    )
                    break
        if kind == "prefix" and len(match.prefix) > 1 and not match.prefix.endswith("/"):
            earlier.setdefault(match.prefix, []).append((position, route))
            lengths.add(len(match.prefix))


def _unconditional(earlier: Msg, later: Msg) -> bool:
    """The earlier route asks nothing that the later one does not ask too."""
    return all(h in later.headers for h in earlier.headers) and not (
        earlier.query_parameters or earlier.HasField("grpc") or earlier.HasField("runtime_fraction")
    )


def _differ(earlier: Msg, later: Msg) -> bool:
    return bool(
        earlier.WhichOneof("action") != later.WhichOneof("action")
        or earlier.route != later.route
        or earlier.redirect != later.redirect
        or earlier.direct_response != later.direct_response
    )


CHECK = Check(
    code="ESM303",
    name="prefix-without-boundary",
    severity="error",
    title="Prefix that also takes a sibling path",
    fix="put the route with the longer prefix first, or use path_separated_prefix",
    find=find,
)
