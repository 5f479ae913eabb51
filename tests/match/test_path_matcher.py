"""Path conditions of routes, and URI templates."""

from __future__ import annotations

from typing import Any

import pytest

from envoysim.load.decode import decode_message
from envoysim.match.path_matcher import PathSpecifier, compile_path_specifier, without_query
from envoysim.match.uri_template import compile_uri_template, compile_uri_template_rewrite, template_to_regex
from envoysim.model.ref import NOWHERE

PATHS = ["/a", "/a/", "/ab", "/a?x", "/A", "/a/b", "/a//", "/a;p"]

# The condition, and one character per path: Y matches.
TABLE: list[tuple[dict[str, Any], str]] = [
    ({"prefix": "/a"}, "YYYY.YYY"),
    ({"path": "/a"}, "Y..Y...."),
    ({"path_separated_prefix": "/a"}, "YY.Y.YY."),
    ({"safe_regex": {"regex": "/a"}}, "Y..Y...."),
    ({"safe_regex": {"regex": "/a"}, "case_sensitive": False}, "Y..Y...."),
    ({"safe_regex": {"regex": "/a.*"}}, "YYYY.YYY"),
    ({"prefix": ""}, "YYYYYYYY"),
    ({"prefix": "/"}, "YYYYYYYY"),
    ({"prefix": "/a", "case_sensitive": False}, "YYYYYYYY"),
    ({"path": "/A", "case_sensitive": False}, "Y..YY..."),
    ({"path_separated_prefix": "/A", "case_sensitive": False}, "YY.YYYY."),
    ({"connect_matcher": {}}, "........"),
    ({"path_match_policy": "/a/{x}"}, ".....Y.."),
    ({"path_match_policy": "/a/*"}, ".....Y.."),
    ({"path_match_policy": "/a/**"}, ".Y...YY."),
]


def specifier(fields: dict[str, Any]) -> PathSpecifier:
    template = fields.get("path_match_policy")
    if template is not None:
        kind = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
        config = {"@type": kind, "path_template": template}
        fields = {"path_match_policy": {"name": "t", "typed_config": config}}
    return compile_path_specifier(decode_message("envoy.config.route.v3.RouteMatch", fields, NOWHERE, []))


@pytest.mark.parametrize(("fields", "row"), TABLE)
def test_table(fields: dict[str, Any], row: str) -> None:
    compiled = specifier(fields)

    assert "".join("Y" if compiled.matches(without_query(p)) else "." for p in PATHS) == row


@pytest.mark.parametrize(("fields", "row"), TABLE)
def test_what_does_not_match_has_a_reason(fields: dict[str, Any], row: str) -> None:
    compiled = specifier(fields)

    assert "".join("." if compiled.explain(without_query(p)) else "Y" for p in PATHS) == row


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/a", "/a"), ("/a?b#c", "/a"), ("/a#b?c", "/a"), ("?", ""), ("", "")],
)
def test_without_query(path: str, expected: str) -> None:
    assert without_query(path) == expected


def test_a_regex_that_re2_refuses_matches_nothing_and_says_so() -> None:
    """RE2 has no look-ahead; Envoy would reject the configuration."""
    compiled = specifier({"safe_regex": {"regex": "/a(?=b)"}})

    assert not compiled.matches("/ab")
    assert "RE2 refuses" in compiled.note


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("/media/{country}/v1/*/{lang}", "/media/us/v1/x/en", True),
        ("/media/{country}/v1/*/{lang}", "/media/us/v1/x", False),
        ("/{path=a/*}/z", "/a/b/z", True),
        ("/{path=a/*}/z", "/c/b/z", False),
        ("/v{version}/x", "/v12/x", True),
        ("/v{version}/x", "/12/x", False),
        ("/{name}.json", "/a.json", True),
        ("/{name}.json", "/ajson", False),
        ("/**.m3u8", "/a/b/c.m3u8", True),
        ("/*", "/a", True),
        ("/*", "/", False),
        ("/a/", "/a/", True),
        ("/a/", "/a", False),
        ("/A", "/a", False),
    ],
)
def test_templates(template: str, path: str, expected: bool) -> None:
    assert compile_uri_template(template).matches(path) is expected


@pytest.mark.parametrize(
    ("match", "rewrite", "path", "expected"),
    [
        ("/{a}/{b}", "/{b}/{a}", "/x/y", "/y/x"),
        ("/{rest=**}", "/new/{rest}", "/x/y/z", "/new/x/y/z"),
        ("/{a}", "/fixed", "/x", "/fixed"),
        ("/{a}", "/{a}/tail", "/x/y", None),
    ],
)
def test_template_rewrites(match: str, rewrite: str, path: str, expected: str | None) -> None:
    assert compile_uri_template_rewrite(rewrite).rewrite(path, compile_uri_template(match)) == expected


def test_regex_of_a_template() -> None:
    assert template_to_regex("/a.b/{x}") == r"/a\.b/(?P<x>[a-zA-Z0-9-._~%!$&'()+,;:@=*]+)"
