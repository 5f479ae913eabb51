"""Redirect to the very same URL.

## What it finds
A redirect whose `Location` is the URL that was asked for: HTTPS redirects in a route table that also serves TLS,
path redirects that match their own target. Each redirect is simulated. As an info: a redirect to HTTPS alone, where
nothing in the dump serves TLS.

## Why it matters
Browsers follow the redirect until they give up: ERR_TOO_MANY_REDIRECTS.

## Example
`redirect: {https_redirect: true}` in the route table of the HTTPS listener.

## When it is harmless
Never; the info where another proxy serves HTTPS.

## Fix
Redirect plaintext listeners only (Istio: httpsRedirect on the HTTP server), or exempt the target path. Where TLS ends
at a load balancer in front, redirect there, or match `x-forwarded-proto: http`.

## Source
`RouteEntryImplBase::newUri` in `source/common/router/config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Witness
from ..simulate import simulate
from .base import Check
from .subject import RouteItem, Subject, origin_of
from .tls_walk import downstream_tls
from .witness import authority_of, path_of, witness


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per redirect whose example leads back to itself."""
    for route in subject.routes:
        if route.msg.WhichOneof("action") != "redirect":
            continue
        for request in _requests(subject, route):
            outcome = simulate(subject.proxy, request.request).outcome
            location = next((v for n, v in outcome.headers if n == "location"), None)
            scheme = "https" if request.request.connection.tls is not None else "http"
            asked = f"{scheme}://{request.request.authority}{request.request.path}"
            if location == asked:
                yield CHECK.finding(
                    route.ref.at("redirect"),
                    f"route `{route.label}` redirects `{asked}` to itself: {outcome.status}, and again",
                    witness=request,
                    origin=origin_of(route.msg),
                )
                break
        else:
            if _https_alone(route) and not downstream_tls(subject):
                yield CHECK.finding(
                    route.ref.at("redirect"),
                    f"route `{route.label}` redirects to https, which no filter chain here serves: where TLS ends at a "
                    "load balancer in front, the request comes back in plaintext and is redirected again "
                    "(redirect loop)",
                    severity="info",
                    fix="redirect at the load balancer, or match x-forwarded-proto: http",
                    witness=next(_requests(subject, route), None),
                    origin=origin_of(route.msg),
                )


def _https_alone(route: RouteItem) -> bool:
    """Whether a redirect changes nothing but the scheme, whatever the client's was."""
    redirect = route.msg.redirect
    if not (redirect.https_redirect or redirect.scheme_redirect == "https") or redirect.host_redirect:
        return False
    if redirect.port_redirect not in (0, 443) or redirect.WhichOneof("path_rewrite_specifier") is not None:
        return False
    return not any(h.name.lower() in ("x-forwarded-proto", ":scheme") for h in route.msg.match.headers)


def _requests(subject: Subject, route: RouteItem) -> Iterator[Witness]:
    """One request through each kind of listener that serves the route, on its own path and on the target's."""
    authority = route.msg.redirect.host_redirect or authority_of(route.host.msg)
    told: set[bool] = set()
    for manager in route.host.table.managers:
        secure = manager.chain.msg.HasField("transport_socket")
        if secure in told:
            continue
        told.add(secure)
        paths = {path_of(route.msg.match), route.msg.redirect.path_redirect or "/"}
        for path in sorted(paths):
            yield witness(manager, authority, path)


CHECK = Check(
    code="ESM313",
    name="redirect-loop",
    severity="error",
    title="Redirect to the very same URL",
    fix="redirect plaintext listeners only (Istio: httpsRedirect on the HTTP server), or exempt the target path",
    find=find,
)
