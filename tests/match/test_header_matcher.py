"""Header matchers answer as the real Envoy does: presence, inversion, several lines."""

from __future__ import annotations

from typing import Any

import pytest

from envoysim.load.decode import decode_message
from envoysim.match.header_matcher import HeaderMatcher, compile_header_matcher, parse_int64, parse_uint64
from envoysim.model.headers import HeaderMap
from envoysim.model.ref import NOWHERE

# What the header `x-a` holds, by column of TABLE.
VALUES: dict[str, list[str]] = {
    "missing": [],
    "empty": [""],
    "a": ["a"],
    "z": ["z"],
    "7": ["7"],
    "10": ["10"],
    "a+b": ["a", "b"],
    "007": ["007"],
    "+7": ["+7"],
    "7.0": ["7.0"],
}
EXACT = {"string_match": {"exact": "a"}}
PREFIX = {"prefix_match": "a"}
RANGE = {"range_match": {"start": "5", "end": "10"}}
PRESENT: dict[str, Any] = {"present_match": True}
ABSENT: dict[str, Any] = {"present_match": False}
REGEX = {"string_match": {"safe_regex": {"regex": ".*"}}}

# matcher, invert_match, treat_missing_header_as_empty, and one character per column: Y matches.
TABLE: list[tuple[dict[str, Any], bool, bool, str]] = [
    (EXACT, False, False, "..Y...Y..."),
    (EXACT, False, True, "..Y...Y..."),
    (EXACT, True, False, ".Y.YYY.YYY"),
    (EXACT, True, True, "YY.YYY.YYY"),
    (PREFIX, False, False, "..Y...Y..."),
    (PREFIX, True, False, ".Y.YYY.YYY"),
    (PREFIX, True, True, "YY.YYY.YYY"),
    (RANGE, False, False, "....Y..YY."),
    (RANGE, False, True, "....Y..YY."),
    (RANGE, True, False, ".YYY.YY..Y"),
    (RANGE, True, True, "YYYY.YY..Y"),
    (PRESENT, False, False, ".YYYYYYYYY"),
    ({}, False, False, ".YYYYYYYYY"),
    (PRESENT, False, True, "YYYYYYYYYY"),
    (PRESENT, True, False, "Y........."),
    (PRESENT, True, True, ".........."),
    (ABSENT, False, False, "Y........."),
    (ABSENT, False, True, ".........."),
    (ABSENT, True, False, ".YYYYYYYYY"),
    (ABSENT, True, True, "YYYYYYYYYY"),
    (REGEX, False, False, ".YYYYYYYYY"),
    (REGEX, False, True, "YYYYYYYYYY"),
    (REGEX, True, False, ".........."),
    (REGEX, True, True, ".........."),
]


def compiled(**fields: Any) -> HeaderMatcher:
    return compile_header_matcher(
        decode_message("envoy.config.route.v3.HeaderMatcher", {"name": "X-A", **fields}, NOWHERE, [])
    )


@pytest.mark.parametrize(("fields", "invert", "empty", "row"), TABLE)
def test_table(fields: dict[str, Any], invert: bool, empty: bool, row: str) -> None:
    matcher = compiled(**fields, invert_match=invert, treat_missing_header_as_empty=empty)

    answers = "".join(
        "Y" if matcher.matches(HeaderMap([("x-a", v) for v in values])) else "." for values in VALUES.values()
    )

    assert answers == row


@pytest.mark.parametrize(("fields", "invert", "empty", "row"), TABLE)
def test_a_matcher_explains_exactly_what_it_refuses(
    fields: dict[str, Any], invert: bool, empty: bool, row: str
) -> None:
    matcher = compiled(**fields, invert_match=invert, treat_missing_header_as_empty=empty)

    for values in VALUES.values():
        headers = HeaderMap([("x-a", v) for v in values])

        assert bool(matcher.explain(headers)) != matcher.matches(headers)


OTHERS: list[tuple[dict[str, Any], list[tuple[str, str]], bool]] = [
    # Two lines are not joined; one line with a comma is one value.
    ({"string_match": {"exact": "a,b"}}, [("x-a", "a"), ("x-a", "b")], False),
    ({"string_match": {"safe_regex": {"regex": "a,b"}}}, [("x-a", "a"), ("x-a", "b")], False),
    ({"string_match": {"exact": "b"}}, [("x-a", "a"), ("x-a", "b")], True),
    ({"string_match": {"exact": "a,b"}}, [("x-a", "a,b")], True),
    # The deprecated specifiers.
    ({"exact_match": "a"}, [("x-a", "a")], True),
    ({"exact_match": ""}, [("x-a", "anything")], True),
    ({"suffix_match": "z"}, [("x-a", "az")], True),
    ({"contains_match": "b"}, [("x-a", "abc")], True),
    ({"safe_regex_match": {"regex": "a."}}, [("x-a", "abc")], False),
    ({"string_match": {"exact": "AbC", "ignore_case": True}}, [("x-a", "aBc")], True),
    ({"string_match": {"contains": "B", "ignore_case": True}}, [("x-a", "abc")], True),
    # Pseudo-headers; `host` is `:authority`; `:path` has its query.
    ({"name": "Host", "string_match": {"exact": "foo.com"}}, [(":authority", "foo.com")], True),
    ({"name": ":path", "string_match": {"suffix": "?q"}}, [(":path", "/a?q")], True),
]


@pytest.mark.parametrize(("fields", "headers", "expected"), OTHERS)
def test_others(fields: dict[str, Any], headers: list[tuple[str, str]], expected: bool) -> None:
    assert compiled(**fields).matches(HeaderMap(headers)) is expected


@pytest.mark.parametrize(
    ("text", "signed", "unsigned"),
    [
        ("7", 7, 7),
        (" +7 ", 7, 7),
        ("-7", -7, None),
        ("7.0", None, None),
        ("", None, None),
        ("9223372036854775808", None, 1 << 63),
        ("18446744073709551616", None, None),
        ("٣", None, None),
    ],
)
def test_integers(text: str, signed: int | None, unsigned: int | None) -> None:
    """Numbers are read as absl::SimpleAtoi does."""
    assert (parse_int64(text), parse_uint64(text)) == (signed, unsigned)


def test_the_reason_names_expected_and_actual() -> None:
    matcher = compiled(string_match={"exact": "a"})

    assert matcher.explain(HeaderMap([("x-a", "b")])) == "header `x-a` must be exact `a`, is `b`"
    assert matcher.explain(HeaderMap()) == "header `x-a` must be exact `a`, is missing"
