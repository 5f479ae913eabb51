"""Redirects, rewrites, clusters: what a route does, as the real Envoy does it."""

from __future__ import annotations

from typing import Any

import pytest

from envoysim.model.reply import LocalReply
from envoysim.stages.redirect import DirectResponse, Redirect
from envoysim.stages.route import Forward
from envoysim.stages.route_action import choose_cluster, direct_reply, finalize_request, redirect_reply
from envoysim.stages.runtime import compile_runtime
from envoysim.stages.stream import Stream

from .routing import FakeProxy, ask, name_of, one_host, table

TEMPLATE = {
    "path_match_policy": {
        "name": "t",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
            "path_template": "/{a}/{b}",
        },
    }
}
TEMPLATE_REWRITE = {
    "path_rewrite_policy": {
        "name": "t",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig",
            "path_template_rewrite": "/{b}/{a}",
        },
    }
}


def regex(pattern: str, substitution: str) -> dict[str, Any]:
    return {"pattern": {"regex": pattern}, "substitution": substitution}


# match, redirect, authority, path -> location
REDIRECTS: list[tuple[dict[str, Any], dict[str, Any], str, str, str]] = [
    ({"prefix": "/"}, {}, "foo.com", "/a?q", "http://foo.com/a?q"),
    ({"prefix": "/"}, {"https_redirect": True}, "foo.com", "/a?q", "https://foo.com/a?q"),
    ({"prefix": "/"}, {"https_redirect": True}, "foo.com:80", "/a", "https://foo.com/a"),
    ({"prefix": "/"}, {"https_redirect": True}, "foo.com:443", "/a", "https://foo.com:443/a"),
    ({"prefix": "/"}, {"https_redirect": True}, "foo.com:8080", "/a", "https://foo.com:8080/a"),
    ({"prefix": "/"}, {"https_redirect": True}, "[::1]:80", "/a", "https://[::1]/a"),
    ({"prefix": "/"}, {"https_redirect": True}, "[::1]", "/a", "https://[::1]/a"),
    ({"prefix": "/"}, {"scheme_redirect": "ftp"}, "foo.com:80", "/a", "ftp://foo.com/a"),
    ({"prefix": "/"}, {"scheme_redirect": "http"}, "foo.com:80", "/a", "http://foo.com:80/a"),
    ({"prefix": "/"}, {"host_redirect": "n.com"}, "foo.com:80", "/a", "http://n.com/a"),
    ({"prefix": "/"}, {"host_redirect": "n.com:99", "port_redirect": 80}, "foo.com", "/a", "http://n.com:99:80/a"),
    ({"prefix": "/"}, {"port_redirect": 81}, "foo.com:80", "/a", "http://foo.com:81/a"),
    ({"prefix": "/"}, {"port_redirect": 81}, "[::1]:80", "/a", "http://[::1]:81/a"),
    ({"prefix": "/"}, {"path_redirect": "/n"}, "foo.com", "/a?q", "http://foo.com/n?q"),
    ({"prefix": "/"}, {"path_redirect": "/n?x=y"}, "foo.com", "/a?q", "http://foo.com/n?x=y"),
    ({"prefix": "/"}, {"path_redirect": "/n", "strip_query": True}, "foo.com", "/a?q", "http://foo.com/n"),
    ({"prefix": "/"}, {"path_redirect": "/n?x", "strip_query": True}, "foo.com", "/a?q", "http://foo.com/n?x"),
    ({"prefix": "/"}, {"strip_query": True}, "foo.com", "/a?q", "http://foo.com/a"),
    ({"prefix": "/"}, {"path_redirect": "n"}, "foo.com", "/a", "http://foo.com/n"),
    ({"prefix": "/a"}, {"prefix_rewrite": "/b"}, "foo.com", "/a/c?q", "http://foo.com/b/c?q"),
    ({"path": "/a"}, {"prefix_rewrite": "/b"}, "foo.com", "/a?q", "http://foo.com/b?q"),
    ({"safe_regex": {"regex": "/a.*"}}, {"prefix_rewrite": "/b"}, "foo.com", "/a/c?q", "http://foo.com/b?q"),
    ({"prefix": "/"}, {"regex_rewrite": regex("a(.)", r"\1a")}, "foo.com", "/ab/ac?ab", "http://foo.com/ba/ca?ab"),
    ({"prefix": "/"}, {"regex_rewrite": regex("/", "")}, "foo.com", "/a", "http://foo.com/a"),
]


@pytest.mark.parametrize(("match", "redirect", "authority", "path", "location"), REDIRECTS)
def test_redirect(match: dict[str, Any], redirect: dict[str, Any], authority: str, path: str, location: str) -> None:
    stream = ask(table(one_host({"match": match, "redirect": redirect})), path, authority)
    assert stream.route is not None
    action = stream.route.action
    assert isinstance(action, Redirect)

    reply = redirect_reply(stream, action)

    assert reply == LocalReply(301, "direct_response", headers=(("location", location),))


def test_a_redirect_that_rewrites_changes_the_request_path() -> None:
    stream = ask(table(one_host({"match": {"prefix": "/a"}, "redirect": {"prefix_rewrite": "/b"}})), "/a?q")
    assert stream.route is not None
    assert isinstance(stream.route.action, Redirect)

    redirect_reply(stream, stream.route.action)

    assert (stream.headers.get(":path"), stream.headers.get("x-envoy-original-path")) == ("/b?q", "/a?q")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("MOVED_PERMANENTLY", 301),
        ("FOUND", 302),
        ("SEE_OTHER", 303),
        ("TEMPORARY_REDIRECT", 307),
        ("PERMANENT_REDIRECT", 308),
    ],
)
def test_redirect_codes(name: str, status: int) -> None:
    stream = ask(table(one_host({"match": {"prefix": "/"}, "redirect": {"response_code": name}})))
    assert stream.route is not None
    assert isinstance(stream.route.action, Redirect)

    assert redirect_reply(stream, stream.route.action).status == status


@pytest.mark.parametrize(
    ("fields", "reply"),
    [
        ({"status": 200, "body": {"inline_string": "hi"}}, LocalReply(200, "direct_response", "hi")),
        ({"status": 404}, LocalReply(404, "direct_response")),
        ({"status": 201}, LocalReply(201, "direct_response", headers=(("location", "http://foo.com/a?q"),))),
        ({"status": 302}, LocalReply(302, "direct_response", headers=(("location", "http://foo.com/a?q"),))),
    ],
)
def test_direct_response(fields: dict[str, Any], reply: LocalReply) -> None:
    stream = ask(table(one_host({"match": {"prefix": "/"}, "direct_response": fields})), "/a?q")
    assert stream.route is not None
    assert isinstance(stream.route.action, DirectResponse)

    assert direct_reply(stream, stream.route.action) == reply


def test_a_body_in_a_file_is_unknown() -> None:
    direct = {"status": 200, "body": {"filename": "/etc/x"}}
    stream = ask(table(one_host({"match": {"prefix": "/"}, "direct_response": direct})))
    assert stream.route is not None
    assert isinstance(stream.route.action, DirectResponse)

    direct_reply(stream, stream.route.action)

    assert "the body is in filename `/etc/x`" in stream.telling.notes[0].text


def finalized(match: dict[str, Any], action: dict[str, Any], path: str, **request: Any) -> Stream:
    stream = ask(table(one_host({"match": match, "route": {"cluster": "c", **action}})), path, **request)
    assert stream.route is not None
    assert isinstance(stream.route.action, Forward)
    finalize_request(stream, stream.route.action, "c")
    return stream


# match, route, path -> path (None: no x-envoy-original-path)
PATHS: list[tuple[dict[str, Any], dict[str, Any], str, str, bool]] = [
    ({"prefix": "/a"}, {}, "/a/b", "/a/b", False),
    ({"prefix": "/a"}, {"prefix_rewrite": "/"}, "/a/b", "//b", True),
    ({"prefix": "/a"}, {"prefix_rewrite": "/"}, "/ab", "/b", True),
    ({"prefix": "/a"}, {"prefix_rewrite": "/"}, "/a", "/", True),
    ({"prefix": "/a/"}, {"prefix_rewrite": "/"}, "/a/b?q=/a/", "/b?q=/a/", True),
    ({"prefix": "/Ab", "case_sensitive": False}, {"prefix_rewrite": "/x"}, "/aBc", "/xc", True),
    ({"path": "/a"}, {"prefix_rewrite": "/b"}, "/a?q", "/b?q", True),
    ({"path_separated_prefix": "/a"}, {"prefix_rewrite": "/b"}, "/a/c", "/b/c", True),
    ({"safe_regex": {"regex": "/g/.*"}}, {"prefix_rewrite": "/b"}, "/g/c?q", "/b?q", True),
    ({"prefix": "/"}, {"regex_rewrite": regex("/g/(.)", r"-g-\1")}, "/g/1", "-g-1", True),
    ({"prefix": "/"}, {"regex_rewrite": regex("a", "b")}, "/aa?a", "/bb?a", True),
    ({"prefix": "/"}, {"regex_rewrite": regex("none", "b")}, "/aa?a", "/aa?a", True),
    ({"prefix": "/"}, {"regex_rewrite": regex(".*", "")}, "/aa?a", "/aa?a", False),
    (TEMPLATE, TEMPLATE_REWRITE, "/x/y?q", "/y/x?q", True),
]


@pytest.mark.parametrize(("match", "action", "path", "expected", "original"), PATHS)
def test_path_rewrite(match: dict[str, Any], action: dict[str, Any], path: str, expected: str, original: bool) -> None:
    headers = finalized(match, action, path).headers

    assert headers.get(":path") == expected
    assert headers.get("x-envoy-original-path") == (path if original else None)


# route, request headers -> authority, x-envoy-original-host, x-forwarded-host
HOSTS: list[tuple[dict[str, Any], dict[str, str], tuple[str, str | None, str | None]]] = [
    ({}, {}, ("foo.com", None, None)),
    ({"host_rewrite_literal": "b.com"}, {}, ("b.com", "foo.com", None)),
    ({"host_rewrite_header": "X-H"}, {"x-h": "b.com"}, ("b.com", "foo.com", None)),
    ({"host_rewrite_header": "X-H"}, {}, ("foo.com", None, None)),
    ({"host_rewrite_header": "X-H"}, {"x-h": ""}, ("foo.com", None, None)),
    ({"host_rewrite_path_regex": regex("^/(.+)/.+$", r"\1")}, {}, ("a", "foo.com", None)),
    ({"host_rewrite_literal": "b.com", "append_x_forwarded_host": True}, {}, ("b.com", "foo.com", "foo.com")),
    (
        {"host_rewrite_literal": "b.com", "append_x_forwarded_host": True},
        {"x-forwarded-host": "o.com"},
        ("b.com", "foo.com", "o.com,foo.com"),
    ),
    (
        {"host_rewrite_literal": "b.com", "append_x_forwarded_host": True},
        {"x-forwarded-host": "o.com,foo.com"},
        ("b.com", "foo.com", "o.com,foo.com"),
    ),
    ({"append_x_forwarded_host": True}, {}, ("foo.com", None, None)),
    ({"auto_host_rewrite": True}, {}, ("foo.com", None, None)),
]


@pytest.mark.parametrize(("action", "given", "expected"), HOSTS)
def test_host_rewrite(
    action: dict[str, Any], given: dict[str, str], expected: tuple[str, str | None, str | None]
) -> None:
    headers = finalized({"prefix": "/"}, action, "/a/b", headers=given).headers

    names = (":authority", "x-envoy-original-host", "x-forwarded-host")
    assert tuple(headers.get(name) for name in names) == expected


def chosen(action: dict[str, Any], *, proxy: Any = None, **request: Any) -> str:
    configuration = table(one_host({"match": {"prefix": "/"}, "route": action}), proxy)
    stream = ask(configuration, proxy=proxy, **request)
    assert stream.route is not None
    assert isinstance(stream.route.action, Forward)
    return choose_cluster(stream, stream.route.action).name


WEIGHTED = {"clusters": [{"name": "a", "weight": 1}, {"name": "b", "weight": 0}, {"name": "c", "weight": 3}]}


@pytest.mark.parametrize(("number", "expected"), [(0, "a"), (1, "c"), (3, "c"), (4, "a"), (7, "c")])
def test_weighted_clusters(number: int, expected: str) -> None:
    """The stream's number modulo the sum of weights falls into an entry's share."""
    assert chosen({"weighted_clusters": WEIGHTED}, random_value=number) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [(["0"], "a"), (["1"], "c"), (["4"], "a"), (["x"], "c"), (["0", "0"], "c"), (["-1"], "c"), ([], "c")],
)
def test_a_header_may_give_the_number(values: list[str], expected: str) -> None:
    """Only where it is sent once and is a number; else the stream's (here 3) decides."""
    action = {"weighted_clusters": {**WEIGHTED, "header_name": "x-n"}}

    assert chosen(action, random_value=3, headers=[("x-n", v) for v in values]) == expected


def test_weights_from_the_runtime() -> None:
    proxy = FakeProxy(compile_runtime(None, {"w.a": "0", "w.b": "1", "w.c": "0"}))

    assert chosen({"weighted_clusters": {**WEIGHTED, "runtime_key_prefix": "w"}}, proxy=proxy, random_value=3) == "b"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [([("x-c", "a")], "a"), ([("x-c", "a"), ("x-c", "b")], "a"), ([("x-c", "")], ""), ([], "")],
)
def test_cluster_header(headers: list[tuple[str, str]], expected: str) -> None:
    assert chosen({"cluster_header": "X-C"}, headers=headers) == expected


@pytest.mark.parametrize(
    ("number", "override", "expected"),
    [
        (49, None, "half"),
        (50, None, "rest"),
        (149, None, "half"),
        (0, "0", "rest"),
        (99, "100", "half"),
        (29, "30", "half"),
        (30, "30", "rest"),
        (5000, "9000/TEN_THOUSAND", "half"),
    ],
)
def test_runtime_fraction(number: int, override: str | None, expected: str) -> None:
    fraction = {"default_value": {"numerator": 50}, "runtime_key": "k"}
    routes = [
        {"name": "half", "match": {"prefix": "/", "runtime_fraction": fraction}, "route": {"cluster": "c"}},
        {"name": "rest", "match": {"prefix": "/"}, "route": {"cluster": "c"}},
    ]
    proxy = FakeProxy(compile_runtime(None, {} if override is None else {"k": override}))

    assert name_of(ask(table(one_host(*routes), proxy), proxy=proxy, random_value=number)) == expected


def plugin(kind: str, optional: bool) -> dict[str, Any]:
    extension = {"name": "p", "typed_config": {"@type": f"type.googleapis.com/{kind}"}}
    return {"inline_cluster_specifier_plugin": {"extension": extension, "is_optional": optional}}


LUA = "envoy.extensions.router.cluster_specifiers.lua.v3.LuaConfig"


def test_a_plugin_that_is_not_modelled_leaves_the_cluster_unknown() -> None:
    stream = ask(table(one_host({"match": {"prefix": "/"}, "route": plugin(LUA, optional=True)})))
    assert stream.route is not None
    assert isinstance(stream.route.action, Forward)

    assert "is not modelled" in choose_cluster(stream, stream.route.action).unknown


def test_an_optional_plugin_that_is_not_known_makes_the_route_match_nothing() -> None:
    routes = [
        {"name": "plugin", "match": {"prefix": "/"}, "route": plugin("google.protobuf.Empty", optional=True)},
        {"name": "rest", "match": {"prefix": "/"}, "route": {"cluster": "c"}},
    ]

    assert name_of(ask(table(one_host(*routes)))) == "rest"
