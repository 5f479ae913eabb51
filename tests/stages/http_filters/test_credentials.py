"""Filters that ask who it is: csrf, basic_auth, api_key_auth."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from .filtering import compile_filter, compile_override, details, request, run

CSRF = "csrf.v3.CsrfPolicy"
ON = {"filter_enabled": {"default_value": {"numerator": 100}}, "additional_origins": [{"suffix": ".lab"}]}

CSRF_CASES = [
    ("GET", {"origin": "http://evil.com"}, None),
    ("POST", {"origin": "http://foo.com"}, None),
    ("POST", {"origin": "https://foo.com"}, None),
    ("POST", {"origin": "http://foo.com:80"}, "csrf_origin_mismatch"),
    ("PUT", {"origin": "http://x.lab"}, None),
    ("DELETE", {"origin": "http://evil.com"}, "csrf_origin_mismatch"),
    ("PATCH", {}, "csrf_origin_mismatch"),
    ("POST", {"referer": "http://foo.com/a?b"}, None),
    ("POST", {"origin": "null", "referer": "http://foo.com/"}, "csrf_origin_mismatch"),
    ("POST", {"origin": "foo.com"}, None),
]


@pytest.mark.parametrize(("method", "headers", "expected"), CSRF_CASES, ids=str)
def test_csrf(method: str, headers: dict[str, str], expected: str | None) -> None:
    verdict = run(compile_filter(CSRF, ON), request(method=method, headers=headers))
    assert details(verdict) == expected
    if verdict is not None:
        assert (verdict.status, verdict.body) == (403, "Invalid origin")


def test_csrf_is_off_by_default_and_per_route() -> None:
    evil = {"origin": "http://evil.com"}
    assert run(compile_filter(CSRF, {"filter_enabled": {}}), request(method="POST", headers=evil)) is None
    off = compile_override(CSRF, CSRF, {"filter_enabled": {}})
    assert run(compile_filter(CSRF, ON), request(method="POST", headers=evil), off) is None


BASIC = "basic_auth.v3.BasicAuth"
# user1:test1 and admin without password
USERS = "user1:{SHA}tESsBmE/yNY3lb6a0L6vVQEZNqw=\nadmin:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\n"


def basic(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


BASIC_CASES = [
    ({}, "no_credential_for_basic_auth"),
    ({"authorization": "Bearer x"}, "invalid_scheme_for_basic_auth"),
    ({"authorization": "Basic !!"}, "invalid_format_for_basic_auth"),
    (basic("user1"), "invalid_format_for_basic_auth"),
    (basic("user1:no"), "invalid_credential_for_basic_auth"),
    (basic("nobody:test1"), "invalid_credential_for_basic_auth"),
    (basic("user1:test1"), None),
    ({"authorization": basic("user1:test1")["authorization"].rstrip("=")}, None),
    (basic("admin:"), None),
]


@pytest.mark.parametrize(("headers", "expected"), BASIC_CASES, ids=str)
def test_basic_auth(headers: dict[str, str], expected: str | None) -> None:
    stream = request("/a?b", headers=headers)
    config = {"users": {"inline_string": USERS}, "forward_username_header": "x-user"}
    verdict = run(compile_filter(BASIC, config), stream)
    assert details(verdict) == expected
    if verdict is not None:
        assert verdict.status == 401
        assert verdict.headers == (("www-authenticate", 'Basic realm="http://foo.com/a?b"'),)
    else:
        assert stream.headers.get("x-user") in ("user1", "admin")


def test_redacted_users_are_believed_and_said_so() -> None:
    filter_ = compile_filter(BASIC, {"users": {"inline_string": "[redacted]"}})
    stream = request(headers=basic("whoever:x"))
    assert run(filter_, stream) is None
    assert [note.text for note in stream.telling.notes] == [
        "the users are not in the dump: the credentials are taken as valid"
    ]
    stream = request(headers=basic("whoever:x"))
    stream.world = replace(stream.world, verdicts={"basic_auth": "deny"})
    assert details(run(filter_, stream)) == "invalid_credential_for_basic_auth"


KEYS = "api_key_auth.v3.ApiKeyAuth"
CREDENTIALS = [{"key": "k1", "client": "one"}, {"key": "k2", "client": "two"}]
API_CONFIG = {
    "credentials": CREDENTIALS,
    "key_sources": [{"header": "X-Key"}, {"query": "key"}, {"cookie": "ck"}],
    "forwarding": {"header": "x-client", "hide_credentials": True},
}

API_CASES = [
    ("/", {}, (401, "missing_api_key"), None),
    ("/", {"x-key": "no"}, (401, "unknown_api_key"), None),
    ("/", {"x-key": "k1"}, None, "/"),
    ("/", {"x-key": "Bearer k1"}, None, "/"),
    ("/a?key=k2&b=1&a=%20", {}, None, "/a?a= &b=1"),
    ("/", {"cookie": "a=1; ck=k1"}, None, "/"),
]


@pytest.mark.parametrize(("path", "headers", "expected", "sent"), API_CASES, ids=str)
def test_api_key_auth(path: str, headers: dict[str, str], expected: tuple[int, str] | None, sent: str | None) -> None:
    stream = request(path, headers=headers)
    verdict = run(compile_filter(KEYS, API_CONFIG), stream)
    if expected is not None:
        assert (verdict.status, verdict.details) == expected
        assert verdict.body == "Client authentication failed."
    else:
        assert verdict is None
        assert stream.headers.get(":path") == sent
        assert stream.headers.get("x-client") in ("one", "two")
        assert "x-key" not in stream.headers
        assert stream.headers.get("cookie") in (None, "a=1")


API_ROUTES: list[tuple[dict[str, Any], str | None]] = [
    ({"allowed_clients": ["one"]}, None),
    ({"allowed_clients": ["two"]}, "client_not_allowed"),
    ({"credentials": [{"key": "k3", "client": "three"}]}, "unknown_api_key"),
    ({"key_sources": [{"query": "key"}]}, "missing_api_key"),
]


@pytest.mark.parametrize(("config", "expected"), API_ROUTES, ids=str)
def test_api_key_auth_per_route(config: dict[str, Any], expected: str | None) -> None:
    route = compile_override(KEYS, "api_key_auth.v3.ApiKeyAuthPerRoute", config)
    assert details(run(compile_filter(KEYS, API_CONFIG), request(headers={"x-key": "k1"}), route)) == expected
