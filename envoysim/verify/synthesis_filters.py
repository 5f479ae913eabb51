"""Requests that the HTTP filters of a connection manager decide about: made from the filters' own literals."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from dataclasses import replace

from ..model.request import Pairs, Request
from .rebuild_http import package
from .synthesis_literals import OTHER_VALUE, Json, header_matchers, header_value, levels, string_value, texts_of

ALWAYS_SENT: dict[str, tuple[Pairs, ...]] = {
    "compressor": (
        (("accept-encoding", "gzip"),),
        (("accept-encoding", "br;q=0.5, gzip;q=0.1, identity;q=0"),),
        (("accept-encoding", "*"),),
    ),
    "decompressor": ((("accept-encoding", "deflate"),), (("content-encoding", "gzip"),)),
    "fault": (
        (("x-envoy-fault-abort-request", "418"),),
        (("x-envoy-fault-abort-grpc-request", "5"),),
        (("x-envoy-fault-abort-request", "503"), ("x-envoy-fault-abort-request-percentage", "0")),
        (("x-envoy-fault-delay-request", "20"), ("x-envoy-fault-delay-request-percentage", "100")),
        (("x-envoy-fault-abort-request", "99999"),),
        (("x-envoy-downstream-service-node", "node"),),
    ),
    "jwt_authn": ((), (("authorization", "Bearer not.a.token"),), (("authorization", "Basic dXNlcjpwYXNz"),)),
    "basic_auth": (
        (),
        (("authorization", "Basic dXNlcjpwYXNz"),),
        (("authorization", "Basic !"),),
        (("authorization", "Bearer x"),),
    ),
    "api_key_auth": ((), (("authorization", "Bearer nobody"),)),
    "cdn_loop": ((("cdn-loop", "other; x=1"),), (("cdn-loop", "a b"),)),
    "buffer": ((("content-length", "0"),),),
    "csrf": ((("origin", "https://origin.example"),), (("origin", "null"),), (("referer", "https://any.example/x"),)),
}


def filtered(hcm: Json, hits: list[Request], rng: random.Random) -> Iterator[Request]:
    """Requests for the filters of ``hcm``, by routes that ``hits`` match."""
    overrides = [level["typed_per_filter_config"] for level in levels(hcm.get("route_config", {})) if _overrides(level)]
    for entry in hcm.get("http_filters", []):
        kind = package(entry)
        config = [entry.get("typed_config", {}), *(o[entry["name"]] for o in overrides if entry.get("name") in o)]
        for headers in [*ALWAYS_SENT.get(kind, ()), *_headers(kind, config)]:
            hit = rng.choice(hits)
            yield replace(hit, headers=(*hit.headers, *headers))
            if kind in ("csrf", "cors", "rbac"):
                method = rng.choice(("POST", "PUT", "DELETE", "OPTIONS"))
                yield replace(hit, method=method, headers=(*hit.headers, *headers))
        yield from _paths(config, rng.choice(hits))
        if kind == "buffer":
            largest = max((level.get("max_request_bytes", 0) for level in levels(config)), default=0)
            for size in (largest, largest + 1):
                if 0 < size < 100_000:
                    yield replace(rng.choice(hits), method="POST", body="x" * size)
        if kind == "local_ratelimit":
            yield from [rng.choice(hits)] * 6
    for name in dict.fromkeys(texts_of(hcm.get("route_config", {}), "header_name", "cookie_name")):
        hit = rng.choice(hits)
        yield from (replace(hit, headers=(*hit.headers, (name, value))) for value in (OTHER_VALUE, "1"))


def _overrides(level: Json) -> bool:
    return isinstance(level.get("typed_per_filter_config"), dict)


def _headers(kind: str, config: list[Json]) -> Iterator[Pairs]:
    """Header lists that the literals of a filter's configurations name."""
    for matcher in header_matchers(config):
        name, value = matcher["name"], header_value(matcher)
        if value is not None and not name.startswith(":"):
            yield ((name, value),)
            yield ((name, value + "x"),)
            yield ((name, value), (name, OTHER_VALUE))
    values = [*texts_of(config, "exact", "prefix"), OTHER_VALUE][:4]
    for name in dict.fromkeys(texts_of(config, "header_name", "request_header_name", "header")):
        if not name.startswith(":"):
            yield from (((name, value),) for value in values)
    for name in dict.fromkeys(texts_of(config, "cookie", "cookie_name")):
        yield (("cookie", f"{name}={OTHER_VALUE}; b=c"),)
    if kind in ("cors", "csrf"):
        origins = (m for level in levels(config) for m in level.get("allow_origin_string_match", []))
        more = (m for level in levels(config) for m in level.get("additional_origins", []))
        for matcher in [*origins, *more]:
            yield (("origin", string_value(matcher, "https://origin.example")),)
    if kind == "cdn_loop":
        yield from ((("cdn-loop", f"{own}, {own}"),) for own in texts_of(config, "cdn_id"))
    if kind == "jwt_authn":
        yield from _tokens(config)
    if kind == "api_key_auth":
        yield from ((("authorization", f"Bearer {key}"),) for key in texts_of(config, "inline_string"))
        keys = [*texts_of(config, "inline_string"), OTHER_VALUE][:3]
        for name in dict.fromkeys(texts_of(config, "header")):
            yield from (((name, key),) for key in keys)


def _tokens(config: list[Json]) -> Iterator[Pairs]:
    """Tokens of every issuer, which nobody signed: expired ones, not yet valid ones, of another algorithm."""
    names = [level["name"] for level in levels(config) if "value_prefix" in level and "name" in level]
    for issuer in [*dict.fromkeys(texts_of(config, "issuer")), "nobody"]:
        for header, claims in (
            ({"alg": "RS256"}, {"exp": 4102444800}),
            ({"alg": "ES256", "kid": OTHER_VALUE}, {"exp": 1}),
            ({"alg": "none"}, {"nbf": 4102444800}),
            ({"alg": "RS256", "typ": "JWT"}, {"aud": next(texts_of(config, "audiences"), OTHER_VALUE)}),
        ):
            token = ".".join([_encoded(header), _encoded({"iss": issuer, **claims}), _encoded({"no": "signature"})])
            yield (("authorization", f"Bearer {token}"),)
            yield from (((name, token),) for name in names[:1])


def _encoded(part: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def _paths(config: list[Json], hit: Request) -> Iterator[Request]:
    """Paths that a filter's own rules name."""
    for level in levels(config):
        matcher = level.get("url_path", {}).get("path") if isinstance(level.get("url_path"), dict) else None
        if matcher is None and isinstance(level.get("match"), dict):
            rule = level["match"]
            matcher = {"exact": rule["path"]} if isinstance(rule.get("path"), str) else rule
        path = string_value(matcher, "/") if isinstance(matcher, dict) else ""
        if path.startswith("/") and path != "/":
            yield replace(hit, path=path)
            yield replace(hit, path=path + "x", method="POST")
    for matcher in header_matchers(config):
        value = header_value(matcher)
        if value and matcher["name"] == ":path" and value.startswith("/"):
            yield replace(hit, path=value)
        elif value and matcher["name"] == ":method":
            yield replace(hit, method=value)
        elif value and matcher["name"] == ":authority":
            yield replace(hit, authority=value)
