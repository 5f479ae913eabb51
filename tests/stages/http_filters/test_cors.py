"""CORS: preflights, and what responses get."""

from __future__ import annotations

from typing import Any

import pytest

from envoysim.model.headers import ResponseHeaderMap
from envoysim.model.reply import Response

from .filtering import ROUTE, compile_filter, compile_override, request, run

CORS = "cors.v3.Cors"
POLICY = {
    "allow_origin_string_match": [{"exact": "https://a.com"}],
    "allow_methods": "GET,PUT",
    "allow_headers": "*",
    "expose_headers": "x-e",
    "max_age": "60",
    "allow_credentials": True,
}
PREFLIGHT = {"access-control-request-method": "PUT", "access-control-request-headers": "x-h"}


def policy(**fields: Any) -> Any:
    return compile_override(CORS, "cors.v3.CorsPolicy", {**POLICY, **fields})


PREFLIGHTS = [
    (
        "allowed",
        "https://a.com",
        {},
        {
            "access-control-allow-origin": "https://a.com",
            "access-control-allow-credentials": "true",
            "access-control-allow-methods": "GET,PUT",
            "access-control-allow-headers": "x-h",
            "access-control-max-age": "60",
        },
    ),
    ("not allowed: passed on", "https://b.com", {}, None),
    (
        "not allowed: answered",
        "https://b.com",
        {"forward_not_matching_preflights": False, "allow_credentials": False, "allow_methods": "*", "max_age": ""},
        {"access-control-allow-methods": "PUT", "access-control-allow-headers": "x-h"},
    ),
    ("switched off", "https://a.com", {"filter_enabled": {"default_value": {"numerator": 0}}}, None),
    ("no origin", "", {}, None),
]


@pytest.mark.parametrize(("name", "origin", "fields", "expected"), PREFLIGHTS, ids=[p[0] for p in PREFLIGHTS])
def test_preflights(name: str, origin: str, fields: dict[str, Any], expected: dict[str, str] | None) -> None:
    stream = request(method="OPTIONS", headers={"origin": origin, **PREFLIGHT})
    verdict = run(compile_filter(CORS, {}), stream, policy(**fields))
    if expected is None:
        assert verdict is None
    else:
        assert (verdict.status, verdict.details) == (200, "cors_response")
        assert dict(verdict.headers) == expected


def test_fields_come_from_the_most_specific_level_that_sets_them() -> None:
    general = policy(max_age="1")
    specific = policy(
        allow_origin_string_match=[{"prefix": "https://b"}], allow_methods="", max_age="2", allow_headers=""
    )
    stream = request(method="OPTIONS", headers={"origin": "https://b.com", **PREFLIGHT})
    headers = dict(run(compile_filter(CORS, {}), stream, general, specific).headers)
    assert headers["access-control-max-age"] == "2"
    assert headers["access-control-allow-methods"] == "GET,PUT"
    assert headers["access-control-allow-headers"] == "x-h"


@pytest.mark.parametrize(("origin", "allowed"), [("https://a.com", True), ("https://b.com", False)])
def test_responses(origin: str, allowed: bool) -> None:
    filter_, stream = compile_filter(CORS, {}), request(headers={"origin": origin})
    assert run(filter_, stream, policy()) is None
    response = Response(200, ResponseHeaderMap())
    filter_.encode(stream, response, ())
    expected = {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "x-e",
    }
    assert dict(response.headers) == (expected if allowed else {})
    word = "valid" if allowed else "invalid"
    assert stream.telling.stats == {f"http.test.cors.origin_{word}": 1}


def test_only_forwarding_routes_have_cors() -> None:
    redirect = {"match": {"prefix": "/"}, "redirect": {"path_redirect": "/x"}}
    stream = request(method="OPTIONS", headers={"origin": "https://a.com", **PREFLIGHT}, routes=(redirect,))
    assert run(compile_filter(CORS, {}), stream, policy()) is None


def test_the_deprecated_field_counts_where_there_is_nothing_else() -> None:
    route = {**ROUTE, "route": {"cluster": "c", "cors": POLICY}}
    headers = {"origin": "https://a.com", **PREFLIGHT}
    filter_ = compile_filter(CORS, {})
    assert run(filter_, request(method="OPTIONS", headers=headers, routes=(route,))) is not None
    other = policy(allow_origin_string_match=[{"exact": "x"}])
    assert run(filter_, request(method="OPTIONS", headers=headers, routes=(route,)), other) is None
