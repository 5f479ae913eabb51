"""CORS is configured, but no route takes the preflight.

## What it finds
A route with a CORS policy whose match asks for a method other than OPTIONS, in a virtual host where no route takes
OPTIONS on the same path.

## Why it matters
A browser first sends a preflight: OPTIONS with `origin` and `access-control-request-method`. The CORS filter
answers it from the policy of the matched route; without one there is no policy, and the preflight ends as 404 `NR
route_not_found`.

## Example
`match: {prefix: /api, headers: [{name: ":method", string_match: {exact: GET}}]}` with a CORS policy on that route.

## When it is harmless
No browser calls the route from another origin.

## Fix
Add a route for OPTIONS on the same path with the same policy, or put the policy on the virtual host and drop the
method from the match.

## Source
`source/extensions/filters/http/cors/cors_filter.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import Msg, any_type
from .base import Check
from .subject import RouteItem, Subject, origin_of
from .witness import path_of, request_for

POLICY = "envoy.extensions.filters.http.cors.v3.CorsPolicy"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per CORS route that only other methods reach."""
    for route in subject.routes:
        position = _method_matcher(route.msg.match)
        if position is None or not _has_policy(route):
            continue
        if any(_takes_options(m.match, route.msg.match) for m in route.host.msg.routes):
            continue
        method = route.msg.match.headers[position].string_match.exact or "another method"
        preflight = (("origin", "https://browser.example"), ("access-control-request-method", method))
        yield CHECK.finding(
            route.ref.at("match", "headers", position),
            f"route `{route.label}` has a CORS policy but asks for method {method}: a preflight (OPTIONS) "
            "matches no route: "
            "404 NR route_not_found",
            witness=request_for(route.host, path=path_of(route.msg.match), method="OPTIONS", headers=preflight),
            origin=origin_of(route.msg),
        )


def _has_policy(route: RouteItem) -> bool:
    levels = (route.msg, route.host.msg, route.host.table.msg)
    if any(any_type(a) == POLICY for level in levels for a in level.typed_per_filter_config.values()):
        return True
    return bool(route.msg.route.HasField("cors") or route.host.msg.HasField("cors"))


def _method_matcher(match: Msg) -> int | None:
    for i, header in enumerate(match.headers):
        if header.name == ":method" and not header.invert_match and not _is_options(header):
            return i
    return None


def _is_options(header: Msg) -> bool:
    kind = header.WhichOneof("header_match_specifier")
    if kind == "string_match":
        inner = header.string_match
        return "OPTIONS" in (inner.exact, inner.safe_regex.regex) or "OPTIONS" in inner.safe_regex.regex
    return kind is None or (kind == "exact_match" and header.exact_match == "OPTIONS")


def _takes_options(other: Msg, match: Msg) -> bool:
    """Tell whether a route could take OPTIONS on the path of ``match``."""
    if _method_matcher(other) is not None:
        return False
    path, kind = path_of(match), other.WhichOneof("path_specifier")
    if kind == "prefix":
        return path.startswith(other.prefix)
    if kind == "path":
        return bool(path == other.path)
    return kind not in ("path", "connect_matcher")


CHECK = Check(
    code="ESM306",
    name="preflight-without-route",
    severity="warning",
    title="CORS preflight that no route takes",
    fix="add a route for OPTIONS on the same path with the same CORS policy, or drop the method from the match",
    find=find,
)
