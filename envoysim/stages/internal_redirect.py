"""Internal redirects: an upstream's 3xx followed inside the proxy (``Filter::setupRedirect``)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..model.headers import HeaderMap
from ..model.ref import Ref
from ..model.reply import Response
from ..schema import Msg, any_type, unpack
from .cluster_specifier import CLUSTER_CHOICE
from .route_action import LOOKED_UP
from .route_configuration import resolve_route

if TYPE_CHECKING:
    from .stream import Stream

ALLOW_LISTED: Final = "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig"
PREVIOUS_ROUTES: Final = "envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig"
SAFE_CROSS_SCHEME: Final = "envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig"
REDIRECTED: Final = "internal_redirects"
"""``Stream.facts`` key: how many internal redirects this request has made."""
_URL: Final = re.compile(r"([A-Za-z]+)://(?:[^/?#@]*@)?([^/?#@\s]+)([/?#]\S*)?")


@dataclass(frozen=True, slots=True)
class Recreated:
    """The request starts over at the connection manager, with the headers of the redirect."""


@dataclass(frozen=True, slots=True)
class InternalRedirectPolicy:
    """A compiled ``envoy.config.route.v3.InternalRedirectPolicy``."""

    ref: Ref
    max_internal_redirects: int = 1
    response_codes: frozenset[int] = frozenset({302})
    allow_cross_scheme: bool = False
    predicates: tuple[tuple[str, frozenset[str]], ...] = ()
    response_headers_to_copy: tuple[str, ...] = ()


def compile_internal_redirect_policy(msg: Msg, ref: Ref) -> InternalRedirectPolicy:
    """Compile ``msg``; only redirect codes count, 302 where none is given."""
    codes = frozenset(c for c in msg.redirect_response_codes if c in (301, 302, 303, 307, 308))
    predicates = []
    for predicate in msg.predicates:
        kind = any_type(predicate.typed_config)
        inner = unpack(predicate.typed_config)
        allowed = frozenset(inner.allowed_route_names) if kind == ALLOW_LISTED and inner is not None else frozenset()
        predicates.append((kind, allowed))
    return InternalRedirectPolicy(
        ref,
        msg.max_internal_redirects.value if msg.HasField("max_internal_redirects") else 1,
        codes if msg.redirect_response_codes else frozenset({302}),
        msg.allow_cross_scheme_redirect,
        tuple(predicates),
        tuple(name.lower() for name in msg.response_headers_to_copy),
    )


def follow_redirect(
    stream: Stream, policy: InternalRedirectPolicy, response: Response, *, body_kept: bool
) -> Recreated | None:
    """Turn the request into the one the redirect asks for; ``None`` passes the 3xx on to the client."""
    telling, headers, location = stream.telling, stream.headers, response.headers.get("location")
    was_http = headers.get(":scheme") == "http" or not stream.connection.tls
    count = stream.facts.get(REDIRECTED, 0)
    assert isinstance(count, int)
    target = _absolute_url(location)
    why, at = "", policy.ref
    if not body_kept:
        why = "the request body is too large to keep"
    elif target is None:
        why = "`location` is not an absolute URL"
    elif was_http != (target[0] == "http") and not policy.allow_cross_scheme:
        why, at = "the scheme changes and allow_cross_scheme_redirect is not set", at.at("allow_cross_scheme_redirect")
    elif count >= policy.max_internal_redirects:
        why = f"max_internal_redirects {policy.max_internal_redirects} are made (1 by default)"
        at = at.at("max_internal_redirects")
    if not why and target is not None:
        why = _rewrite_request(stream, policy, response, target, was_http=was_http)
    if why:
        telling.step("internal redirect", at, "`{}` is not followed: {}", location, why)
        return None
    stream.facts[REDIRECTED] = count + 1
    stream.flags.clear()
    stream.details = stream.upstream_host = None
    telling.step("internal redirect", policy.ref, "`{}` is followed: the request starts over", location)
    return Recreated()


def _rewrite_request(
    stream: Stream, policy: InternalRedirectPolicy, response: Response, target: tuple[str, str, str], *, was_http: bool
) -> str:
    """Make the request the one the redirect asks for; undo it and say why where it may not be."""
    headers, came_from = stream.headers, stream.route
    saved, saved_route = headers.copy(), (stream.route_configuration, stream.virtual_host, stream.route)
    saved_choice = stream.facts.get(CLUSTER_CHOICE)
    _copy_response_headers(policy, response, headers)
    scheme, host, path = target
    headers.set(":scheme", scheme)
    headers.set(":authority", host)
    headers.set(":path", path.partition("#")[0])
    resolve_route(stream)
    if stream.route is None:
        why = "no route matches the target"
    else:
        why = _refusal(stream, policy, came_from, was_http=was_http, to_http=scheme == "http")
    if why:
        headers.items[:] = saved.items
        # The router answers by its own route; everybody after it, and the log, sees the one that was looked up.
        stream.facts[LOOKED_UP] = stream.route_configuration, stream.virtual_host, stream.route
        stream.route_configuration, stream.virtual_host, stream.route = saved_route
        stream.facts[CLUSTER_CHOICE] = saved_choice
        return why
    if response.status == 303 and headers.get(":method") not in ("GET", "HEAD"):
        headers.set(":method", "GET")
        headers.remove("content-length")
        stream.body = ""
    old = "http" if was_http else "https"
    headers.set("x-envoy-original-url", f"{old}://{saved.get(':authority')}{saved.get(':path')}")
    return ""


def _copy_response_headers(policy: InternalRedirectPolicy, response: Response, headers: HeaderMap) -> None:
    for name in policy.response_headers_to_copy:
        headers.remove(name)
        for value in response.headers.get_all(name):
            headers.add(name, value)


def _absolute_url(location: str | None) -> tuple[str, str, str] | None:
    """Split an absolute URL into scheme, host with port, and path with query (``Http::Utility::Url``)."""
    found = _URL.fullmatch(location or "")
    if found is None:
        return None
    scheme, host, path = found.groups()
    return scheme.lower(), host, path or "/"


def _refusal(
    stream: Stream, policy: InternalRedirectPolicy, came_from: object, *, was_http: bool, to_http: bool
) -> str:
    route = stream.route
    assert route is not None
    for kind, allowed in policy.predicates:
        if kind == ALLOW_LISTED and route.name not in allowed:
            return f"the target route `{route.name}` is not in allow_listed_routes"
        if kind == SAFE_CROSS_SCHEME and was_http and not to_http:
            return "safe_cross_scheme keeps plaintext from being redirected to https"
        if kind == PREVIOUS_ROUTES:
            key = ("previous_routes", getattr(came_from, "name", ""))
            seen = stream.facts.setdefault(str(key), set())
            assert isinstance(seen, set)
            if route.name in seen:
                return f"the target route `{route.name}` has been redirected to before"
            seen.add(route.name)
    return ""
