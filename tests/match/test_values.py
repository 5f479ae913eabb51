"""Metadata and filter state matchers, address ranges, server names, regexes, fractions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envoysim.load.decode import decode_message
from envoysim.match.cidr_range import cidr_range
from envoysim.match.filter_state_matcher import compile_filter_state_matcher
from envoysim.match.fraction import Fraction, compile_fraction
from envoysim.match.regex import RegexSet, compile_regex
from envoysim.match.server_name import server_name_candidates
from envoysim.match.value_matcher import MISSING, compile_metadata_matcher, compile_value_matcher
from envoysim.model.ref import NOWHERE

VALUES: list[tuple[dict[str, Any], object, bool]] = [
    ({"null_match": {}}, None, True),
    ({"null_match": {}}, MISSING, False),
    ({"double_match": {"exact": 7}}, 7, True),
    ({"double_match": {"exact": 1}}, True, False),
    ({"double_match": {"range": {"start": 1, "end": 2}}}, 1.5, True),
    ({"double_match": {"range": {"start": 1, "end": 2}}}, 2, False),
    ({"string_match": {"prefix": "a"}}, "ab", True),
    ({"string_match": {"prefix": "a"}}, 7, False),
    ({"bool_match": False}, False, True),
    ({"bool_match": False}, 0, False),
    ({"present_match": True}, "", True),
    ({"present_match": True}, MISSING, False),
    ({"present_match": False}, MISSING, False),
    ({"list_match": {"one_of": {"string_match": {"exact": "b"}}}}, ["a", "b"], True),
    ({"list_match": {"one_of": {"string_match": {"exact": "b"}}}}, "b", False),
    ({"or_match": {"value_matchers": [{"bool_match": True}, {"null_match": {}}]}}, None, True),
]


@pytest.mark.parametrize(("fields", "value", "expected"), VALUES)
def test_value_matcher(fields: dict[str, Any], value: object, expected: bool) -> None:
    message = decode_message("envoy.type.matcher.v3.ValueMatcher", fields, NOWHERE, [])

    assert compile_value_matcher(message).matches(value) is expected


METADATA = {"f": {"a": {"b": "x"}, "n": 7}}


@pytest.mark.parametrize(
    ("filter_name", "path", "invert", "expected"),
    [
        ("f", ["a", "b"], False, True),
        ("f", ["a", "b"], True, False),
        ("f", ["a"], False, False),
        ("f", ["a", "c"], False, False),
        ("f", ["a", "c"], True, True),
        ("f", ["n", "b"], False, False),
        ("g", ["a", "b"], True, True),
    ],
)
def test_metadata_matcher(filter_name: str, path: list[str], invert: bool, expected: bool) -> None:
    fields = {
        "filter": filter_name,
        "path": [{"key": k} for k in path],
        "value": {"string_match": {"exact": "x"}},
        "invert": invert,
    }
    matcher = compile_metadata_matcher(decode_message("envoy.type.matcher.v3.MetadataMatcher", fields, NOWHERE, []))

    assert matcher.matches(METADATA) is expected
    assert bool(matcher.explain(METADATA)) is not expected


RANGES = {"ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"key": "k", "string_match": {"exact": "10.1.2.3:80"}}, True),
        ({"key": "none", "string_match": {"prefix": ""}}, False),
        ({"key": "k", "address_match": RANGES}, True),
        ({"key": "k", "address_match": {**RANGES, "invert_match": True}}, False),
    ],
)
def test_filter_state_matcher(fields: dict[str, Any], expected: bool) -> None:
    matcher = compile_filter_state_matcher(
        decode_message("envoy.type.matcher.v3.FilterStateMatcher", fields, NOWHERE, [])
    )

    assert matcher.matches({}, {"k": "10.1.2.3:80"}) is expected


@pytest.mark.parametrize(
    ("prefix", "length", "ip", "expected"),
    [
        ("10.0.0.0", 8, "10.255.0.1", True),
        ("10.0.0.0", 8, "11.0.0.1", False),
        ("10.1.2.3", 24, "10.1.2.99", True),
        ("0.0.0.0", 0, "1.2.3.4", True),
        ("0.0.0.0", 0, "::1", False),
        ("2001:db8::", 32, "2001:db8:1::1", True),
        ("127.0.0.1", 64, "127.0.0.1", True),
        ("nonsense", 8, "10.0.0.1", False),
        ("10.0.0.0", 8, "nonsense", False),
    ],
)
def test_cidr_range(prefix: str, length: int, ip: str, expected: bool) -> None:
    assert cidr_range(prefix, length).contains(ip) is expected


def test_server_names() -> None:
    """A wildcard covers whole labels and at least one of them; both sides are compared in lower case."""
    assert list(server_name_candidates("A.b.foo.com")) == ["a.b.foo.com", "*.b.foo.com", "*.foo.com", "*.com", ""]
    assert list(server_name_candidates("")) == [""]


@pytest.mark.parametrize(
    ("pattern", "rewrite", "text", "expected"),
    [
        ("a", "b", "aXa", "bXb"),
        ("/g/(.*)", r"-g-\1", "/g/1", "-g-1"),
        ("(a)(b)?", r"<\0|\2>", "ab a", "<ab|b> <a|>"),
        ("x*", "-", "abc", "-a-b-c-"),
        ("b*", "-", "abc", "-a-c-"),
        ("a", r"\3", "a", "a"),
        ("a", "\\\\", "a", "\\"),
        ("none", "x", "abc", "abc"),
        ("^/v1", "/v2", "/v1/v1", "/v2/v1"),
    ],
)
def test_replace_all(pattern: str, rewrite: str, text: str, expected: str) -> None:
    """Every match is replaced, as RE2::GlobalReplace does."""
    assert compile_regex(pattern).replace_all(text, rewrite) == expected


PATTERNS = ("a", "a+", "b.*", "(a|b)c", "[", ".*", "ab", "ab?", "ab*c", "ab{0,2}", "ab|b", "(?i)AB", "a\\b", r"\Qab\E")
PATTERNS += ("a(b|c)", "b((a|c)|b)c?", "[(]a|b", r"\(a|b", "a[|)]b", r"a[\](]|b", r"\Q(\Ea|b", "a[[:alpha:]]|[^]]b")


@given(st.lists(st.sampled_from(PATTERNS), max_size=2), st.text("abc", max_size=4))
def test_a_set_answers_as_its_patterns_do(patterns: list[str], text: str) -> None:
    numbered = [(i, compile_regex(p)) for i, p in enumerate(patterns)]

    expected = [i for i, regex in numbered if regex.matches(text)]

    assert sorted(RegexSet(numbered).matching(text)) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Fraction(0, 100)),
        ({"numerator": 5}, Fraction(5, 100)),
        ({"numerator": 5, "denominator": "TEN_THOUSAND"}, Fraction(5, 10_000)),
        ({"numerator": 5, "denominator": "MILLION"}, Fraction(5, 1_000_000)),
    ],
)
def test_fraction(fields: dict[str, Any], expected: Fraction) -> None:
    assert compile_fraction(decode_message("envoy.type.v3.FractionalPercent", fields, NOWHERE, [])) == expected
