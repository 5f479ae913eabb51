"""CORS preflights are asked for credentials they cannot have.

## What it finds
A cors filter behind a filter that asks for credentials: JWT (without `bypass_cors_preflight`), basic auth, API
keys, external authorization, OAuth2.

## Why it matters
Browsers send preflights (OPTIONS) without credentials. Filters run in order: the preflight is refused (401 or
403) before the cors filter could answer it, and the browser reports a CORS error.

## Example
`http_filters: [jwt_authn, cors, router]`.

## When it is harmless
Requirements leave OPTIONS out, or no browser calls.

## Fix
Put the cors filter first, or set bypass_cors_preflight.

## Source
`source/extensions/filters/http/jwt_authn/filter.cc`, `source/extensions/filters/http/cors/cors_filter.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .subject import FilterItem, Subject

PREFIX = "envoy.extensions.filters.http."
CORS = PREFIX + "cors.v3.Cors"
JWT = PREFIX + "jwt_authn.v3.JwtAuthentication"
ASKS = (
    JWT,
    PREFIX + "basic_auth.v3.BasicAuth",
    PREFIX + "api_key_auth.v3.ApiKeyAuth",
    PREFIX + "ext_authz.v3.ExtAuthz",
    PREFIX + "oauth2.v3.OAuth2",
)


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per connection manager."""
    asking: dict[int, FilterItem] = {}
    for item in subject.http_filters:
        if item.type_name in ASKS and not (item.type_name == JWT and _lets_pass(item)):
            asking.setdefault(id(item.manager), item)
        first = asking.get(id(item.manager))
        if item.type_name == CORS and first is not None:
            yield CHECK.finding(
                item.ref,
                f"filter `{item.name}` (cors) of listener `{item.manager.listener.name}` stands behind `{first.name}`: "
                "a preflight (OPTIONS) has no credentials and is refused before it, 401 or 403",
                related=(Related(first.ref, "the filter that asks for credentials"),),
            )


def _lets_pass(item: FilterItem) -> bool:
    return item.config is not None and bool(item.config.bypass_cors_preflight or not item.config.rules)


CHECK = Check(
    code="ESM519",
    name="cors-behind-authentication",
    severity="warning",
    title="CORS behind authentication",
    fix="put the cors filter first, or set bypass_cors_preflight",
    find=find,
)
