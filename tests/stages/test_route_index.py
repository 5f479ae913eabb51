"""The index finds what a scan of all routes finds."""

from __future__ import annotations

import time
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from envoysim.match.header_matcher import exact_headers
from envoysim.match.path_matcher import compile_path_specifier, without_query
from envoysim.model.headers import HeaderMap
from envoysim.stages import route_index
from envoysim.stages.route_index import RouteIndex

from .routing import ask, decode, name_of, one_host, table

X_A = {"name": "x-a", "string_match": {"exact": "1"}}
TEXTS = st.sampled_from(["", "/", "/a", "/a/", "/ab", "/A", "/a/b", "/b", "/aB", "/a;p"])
REGEXES = st.sampled_from(["/a", "/a.*", "/[ab]+", "(?i)/AB", "/.*/b", "[", ".*"])
TEMPLATES = st.sampled_from(["/a/{x}", "/*", "/**", "/{x}/b"])
TEMPLATE_TYPE = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"


@st.composite
def matches(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["prefix", "path", "path_separated_prefix", "safe_regex", "template", "connect"]))
    match: dict[str, Any]
    if kind == "safe_regex":
        match = {"safe_regex": {"regex": draw(REGEXES)}}
    elif kind == "template":
        config = {"@type": TEMPLATE_TYPE, "path_template": draw(TEMPLATES)}
        match = {"path_match_policy": {"name": "t", "typed_config": config}}
    elif kind == "connect":
        match = {"connect_matcher": {}}
    else:
        match = {kind: draw(TEXTS)}
    if draw(st.booleans()):
        match["case_sensitive"] = draw(st.booleans())
    if draw(st.integers(0, 3)) == 0:
        match["headers"] = [{"name": "x-a", "string_match": {"exact": draw(st.sampled_from(["1", "2"]))}}]
    if draw(st.integers(0, 5)) == 0:
        match["query_parameters"] = [{"name": "q", "string_match": {"exact": "1"}}]
    return match


PATHS = st.one_of(
    st.sampled_from(["/", "/a", "/a/", "/a/b", "/AB", "/ab", "/a;p", "/a/b?q=1", "/b?q=2", "/a?q=1", "*"]),
    st.text("/abAB;?q=1", max_size=6).map(lambda text: "/" + text),
)


def scan(routes: list[dict[str, Any]], path: str, headers: dict[str, str], cut: bool) -> str | None:
    """Ask one route after the other: the plain reading of the rule."""
    plain = without_query(path)
    for route in routes:
        match = route["match"]
        if "connect_matcher" in match:
            continue
        specifier = compile_path_specifier(decode("envoy.config.route.v3.RouteMatch", match))
        if not specifier.matches(plain.split(";")[0] if cut and specifier.kind != "path_match_policy" else plain):
            continue
        if any(headers.get(h["name"]) != h["string_match"]["exact"] for h in match.get("headers", ())):
            continue
        first: dict[str, str] = {}
        for part in path.partition("?")[2].split("&"):
            first.setdefault(part.partition("=")[0], part.partition("=")[2])
        if any(first.get(q["name"]) != q["string_match"]["exact"] for q in match.get("query_parameters", ())):
            continue
        return str(route["name"])
    return None


@settings(max_examples=150, deadline=None)
@given(
    st.lists(matches(), max_size=12),
    st.lists(PATHS, min_size=1, max_size=6),
    st.sampled_from([{}, {"x-a": "1"}, {"x-a": "2"}]),
    st.booleans(),
    st.sampled_from([0, route_index.FEW]),
)
def test_first_match_by_position(
    found: list[dict[str, Any]], paths: list[str], headers: dict[str, str], cut: bool, few: int
) -> None:
    """Also where buckets are split by header from the first route on (``few`` 0)."""
    routes = [{"name": str(i), "match": m, "route": {"cluster": "c"}} for i, m in enumerate(found)]
    configuration = table({**one_host(*routes), "ignore_path_parameters_in_path_matching": cut})

    with patch.object(route_index, "FEW", few):
        for path in paths:
            assert name_of(ask(configuration, path, headers=headers)) == scan(routes, path, headers, cut)


def test_connect_takes_connect_routes_only() -> None:
    routes = [
        {"name": "p", "match": {"prefix": "/"}, "route": {"cluster": "c"}},
        {"name": "c", "match": {"connect_matcher": {}}, "route": {"cluster": "c"}},
    ]

    assert name_of(ask(table(one_host(*routes)), None, method="CONNECT")) == "c"
    assert name_of(ask(table(one_host(routes[0])), None, method="CONNECT")) is None
    assert name_of(ask(table(one_host(routes[1])), "/")) is None


def test_the_cost_does_not_grow_with_the_number_of_routes() -> None:
    """Ten thousand routes cost what ten do, within a generous factor for a busy machine."""

    def cost(count: int) -> float:
        specifiers = [
            compile_path_specifier(decode("envoy.config.route.v3.RouteMatch", match))
            for i in range(count)
            for match in ({"prefix": f"/svc{i}/"}, {"path": f"/svc{i}"}, {"safe_regex": {"regex": f"/r{i}/[0-9]+"}})
        ]
        index = RouteIndex(specifiers, [{}] * len(specifiers))
        best = 1.0
        for _ in range(5):
            start = time.perf_counter()
            for _ in range(200):
                assert list(index.candidates(f"/svc{count - 1}/x", None, HeaderMap(), connect=False)) == [
                    3 * (count - 1)
                ]
            best = min(best, time.perf_counter() - start)
        return best

    assert cost(3000) < 8 * cost(10)


def test_routes_that_share_a_path_are_told_apart_by_a_header() -> None:
    """One prefix for every host, as some control planes write it: only what the header leaves is asked."""
    authority = [{"name": "Host", "exact_match": f"h{i}.com"} for i in range(100)]
    matches: list[dict[str, Any]] = [{"prefix": "/", "headers": [a, X_A]} for a in authority]
    matches.insert(50, {"prefix": "/", "headers": [X_A]})
    specifiers = [compile_path_specifier(decode("envoy.config.route.v3.RouteMatch", m)) for m in matches]
    exact = [exact_headers(decode("envoy.config.route.v3.RouteMatch", m).headers) for m in matches]
    index = RouteIndex(specifiers, exact)

    def candidates(*authorities: str) -> list[int]:
        headers = HeaderMap([(":authority", a) for a in authorities])
        return list(index.candidates("/", "/", headers, connect=False))

    assert candidates("h3.com") == [3, 50]
    assert candidates("h60.com", "h1.com") == [1, 50, 61]
    assert candidates("none") == [50]
    assert candidates() == [50]
