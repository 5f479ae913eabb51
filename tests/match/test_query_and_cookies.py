"""Query parameters and cookies: what is parsed, and what matches."""

from __future__ import annotations

from typing import Any

import pytest

from envoysim.load.decode import decode_message
from envoysim.match.cookie_matcher import compile_cookie_matcher, parse_cookies
from envoysim.match.query_parameter_matcher import (
    compile_query_parameter_matcher,
    parse_and_decode_query,
    parse_query,
)
from envoysim.model.headers import HeaderMap
from envoysim.model.ref import NOWHERE

EXACT_A = {"string_match": {"exact": "a"}}
QUERIES: list[tuple[dict[str, Any], str, bool]] = [
    (EXACT_A, "/?q=a", True),
    (EXACT_A, "/?q=%61", False),
    (EXACT_A, "/?%71=a", False),
    (EXACT_A, "/?Q=a", False),
    (EXACT_A, "/?q=a&q=b", True),
    (EXACT_A, "/?q=b&q=a", False),
    (EXACT_A, "/?x;q=a", False),
    (EXACT_A, "/", False),
    ({"string_match": {"exact": "a b"}}, "/?q=a+b", False),
    ({"string_match": {"exact": ""}}, "/?q", True),
    ({"present_match": True}, "/?q", True),
    ({"present_match": True}, "/?q=", True),
    ({"present_match": True}, "/?x&q", True),
    ({"present_match": True}, "/?x", False),
    ({"present_match": False}, "/?x", True),
    ({"present_match": False}, "/?q", False),
    ({}, "/?q=1", True),
    ({}, "/", False),
]


@pytest.mark.parametrize(("fields", "path", "expected"), QUERIES)
def test_query_parameters(fields: dict[str, Any], path: str, expected: bool) -> None:
    message = decode_message("envoy.config.route.v3.QueryParameterMatcher", {"name": "q", **fields}, NOWHERE, [])
    matcher = compile_query_parameter_matcher(message)
    parameters = parse_query(path)

    assert matcher.matches(parameters) is expected
    assert bool(matcher.explain(parameters)) is not expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", {}),
        ("/?", {}),
        ("/?a", {"a": ""}),
        ("/?a&", {"a": ""}),
        ("/?a&&b", {"a": "", "": "", "b": ""}),
        ("/?a=b=c", {"a": "b=c"}),
        ("/?a?b=c", {"a?b": "c"}),
    ],
)
def test_parse_query(path: str, expected: dict[str, str]) -> None:
    assert parse_query(path) == expected


def test_matcher_inputs_decode() -> None:
    assert parse_and_decode_query("/?%71=a%20b+c") == {"q": "a b+c"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a=1; b=2"], {"a": "1", "b": "2"}),
        (["a=1", "a=2;c=3"], {"a": "1", "c": "3"}),
        (['a="x y"; b="'], {"a": "x y", "b": '"'}),
        (["nothing; a=b=c"], {"a": "b=c"}),
    ],
)
def test_parse_cookies(lines: list[str], expected: dict[str, str]) -> None:
    assert parse_cookies(HeaderMap([("cookie", line) for line in lines])) == expected


@pytest.mark.parametrize(
    ("invert", "cookies", "expected"),
    [(False, "s=a", True), (False, "s=b", False), (False, "t=a", False), (True, "t=a", True), (True, "s=a", False)],
)
def test_cookie_matcher(invert: bool, cookies: str, expected: bool) -> None:
    fields = {"name": "s", "string_match": {"exact": "a"}, "invert_match": invert}
    matcher = compile_cookie_matcher(decode_message("envoy.config.route.v3.CookieMatcher", fields, NOWHERE, []))
    parsed = parse_cookies(HeaderMap([("cookie", cookies)]))

    assert matcher.matches(parsed) is expected
    assert bool(matcher.explain(parsed)) is not expected
