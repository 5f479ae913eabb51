"""Header that is set after the route was chosen.

## What it finds
A header that routes match on, set by a filter that does not clear the route cache (`header_mutation`; `jwt_authn`
claims and `ext_authz` answers without `clear_route_cache`), where no later filter may clear it either.

## Why it matters
The route is chosen before the HTTP filters run, and kept. A header that a filter sets later reaches the backend, but
no route is looked up again: the request takes the route it would have taken without the header.

## Example
`claim_to_headers: [{header_name: x-tenant, claim_name: tenant}]`, and routes that match `x-tenant`.

## When it is harmless
Clients send the header themselves; the filter only confirms it.

## Fix
Set clear_route_cache on the filter or provider; for header_mutation use early_header_mutation_extensions.

## Source
`ConnectionManagerImpl::ActiveStream::refreshCachedRoute` in `source/common/http/conn_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..model.finding import Finding, Related
from ..model.ref import Ref
from ..schema import Msg
from .base import Check
from .subject import FilterItem, RouteItem, Subject

HTTP: Final = "envoy.extensions.filters.http."
MUTATION: Final = HTTP + "header_mutation.v3.HeaderMutation"
JWT: Final = HTTP + "jwt_authn.v3.JwtAuthentication"
AUTHZ: Final = HTTP + "ext_authz.v3.ExtAuthz"
KEEPING: Final = {
    HTTP + kind
    for kind in (
        "buffer.v3.Buffer",
        "compressor.v3.Compressor",
        "cors.v3.Cors",
        "csrf.v3.CsrfPolicy",
        "decompressor.v3.Decompressor",
        "fault.v3.HTTPFault",
        "grpc_stats.v3.FilterConfig",
        "grpc_web.v3.GrpcWeb",
        "header_mutation.v3.HeaderMutation",
        "health_check.v3.HealthCheck",
        "local_ratelimit.v3.LocalRateLimit",
        "ratelimit.v3.RateLimit",
        "rbac.v3.RBAC",
        "router.v3.Router",
        "stateful_session.v3.StatefulSession",
    )
}
"""Filters that never clear the route cache."""


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per header that a filter sets and a route of its connection manager matches."""
    filters = subject.http_filters
    setting = [i for i in filters if i.type_name in (MUTATION, JWT, AUTHZ) and i.config is not None]
    for item in setting:
        mine = [i for i in filters if i.manager is item.manager]
        if any(_may_clear(later) for later in mine[mine.index(item) :]):
            continue
        matching = _matched_headers(subject, item)
        for header, place, what in _headers_set(item):
            route = matching.get(header.lower())
            if route is not None:
                yield CHECK.finding(
                    place,
                    f"{what} sets header `{header}`, which route `{route.label}` matches, after the route was "
                    "chosen, and does not clear the route cache (clear_route_cache): the route is not looked up again",
                    related=(Related(route.ref.at("match", "headers"), "a route that matches the header"),),
                )


def _may_clear(item: FilterItem) -> bool:
    config = item.config
    if config is None:
        return True
    if item.type_name == JWT:
        return any(provider.clear_route_cache for provider in config.providers.values())
    if item.type_name == AUTHZ:
        return bool(config.clear_route_cache)
    return item.type_name not in KEEPING


def _matched_headers(subject: Subject, item: FilterItem) -> dict[str, RouteItem]:
    """The first route that matches each header."""
    found: dict[str, RouteItem] = {}
    for route in subject.routes:
        if item.manager in route.host.table.managers:
            for header in route.msg.match.headers:
                found.setdefault(header.name.lower(), route)
    return found


def _headers_set(item: FilterItem) -> Iterator[tuple[str, Ref, str]]:
    """Yield name, place and setter of each header whose name the configuration tells."""
    config: Msg = item.config
    if item.type_name == MUTATION:
        for i, mutation in enumerate(config.mutations.request_mutations):
            if mutation.append.header.key:
                place = item.ref.at("mutations", "request_mutations", i, "append")
                yield mutation.append.header.key, place, f"filter `{item.name}`"
    elif item.type_name == JWT:
        for name in sorted(config.providers):
            provider, place = config.providers[name], item.ref.at("providers", name, "clear_route_cache")
            names = [c.header_name for c in provider.claim_to_headers] + [provider.forward_payload_header]
            for header in filter(None, names):
                yield header, place, f"JWT provider `{name}`"
    else:
        for pattern in config.http_service.authorization_response.allowed_upstream_headers.patterns:
            if pattern.exact:
                yield pattern.exact, item.ref.at("clear_route_cache"), f"ext_authz filter `{item.name}`"


CHECK = Check(
    code="ESM333",
    name="header-after-route",
    severity="warning",
    title="Header that is set after the route was chosen",
    fix="set clear_route_cache on the filter or provider; for header_mutation use early_header_mutation_extensions",
    find=find,
)
