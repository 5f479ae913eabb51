"""Which virtual host a request gets, and what a virtual host does before its routes."""

from __future__ import annotations

from typing import Any

import pytest

from envoysim.model.reply import LocalReply
from envoysim.stages.redirect import Redirect
from envoysim.stages.route_action import redirect_reply
from envoysim.stages.stream import Stream

from .routing import ask, name_of, one_host, table

ANY: dict[str, Any] = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}


def hosts(*domains: list[str], **fields: Any) -> Any:
    names = [{"name": ",".join(d), "domains": d, "routes": [ANY]} for d in domains]
    return table({"name": "rc", "virtual_hosts": names, **fields})


def owner(stream: Stream) -> str | None:
    return stream.virtual_host.name if stream.virtual_host is not None else None


ALL = (["foo.com", "a.foo.com"], ["*.foo.com"], ["*-bar.foo.com"], ["foo.*"], ["foo.c*"], ["*"])

CASES: list[tuple[tuple[list[str], ...], str, str | None]] = [
    (ALL, "foo.com", "foo.com,a.foo.com"),
    (ALL, "FOO.com", "foo.com,a.foo.com"),
    (ALL, "b.foo.com", "*.foo.com"),
    (ALL, "x.y.foo.com", "*.foo.com"),
    (ALL, "z-bar.foo.com", "*-bar.foo.com"),
    (ALL, "foo.org", "foo.*"),
    (ALL, "foo.cn", "foo.c*"),
    (ALL, "other", "*"),
    # Ports and trailing dots count; a wildcard needs one character.
    ((["foo.com"],), "foo.com:80", None),
    ((["foo.com"],), "foo.com.", None),
    ((["foo.com"],), "foo.com:", None),
    ((["*.foo.com"],), ".foo.com", None),
    ((["*.foo.com"],), "foo.com", None),
    ((["foo.*"],), "foo.", None),
    ((["foo.*"],), "foo.com:80", "foo.*"),
    ((["*foo.com"],), "barfoo.com", "*foo.com"),
    ((["f*o"],), "foo", None),
    ((["foo.com"],), "", None),
    ((["*"],), "", "*"),
    ((["[::1]:80"],), "[::1]:80", "[::1]:80"),
]


@pytest.mark.parametrize(("domains", "authority", "expected"), CASES)
def test_domains(domains: tuple[list[str], ...], authority: str, expected: str | None) -> None:
    assert owner(ask(hosts(*domains), authority=authority)) == expected


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_virtual_hosts_does_not_matter(order: int) -> None:
    for _, authority, expected in [c for c in CASES if c[0] is ALL]:
        assert owner(ask(hosts(*ALL[::order]), authority=authority)) == expected


@pytest.mark.parametrize(
    ("domain", "authority", "expected"),
    [
        ("foo.com", "foo.com:8080", True),
        ("foo.com", "foo.com", True),
        ("foo.com:8080", "foo.com:8080", False),
        ("[::1]", "[::1]:80", True),
        ("[::1]", "[::1]", True),
        ("foo.com", "foo.com:", True),
    ],
)
def test_ignore_port(domain: str, authority: str, expected: bool) -> None:
    """Only the request's port is cut, so a domain with a port never matches."""
    stream = ask(hosts([domain], ignore_port_in_host_matching=True), authority=authority)

    assert (owner(stream) == domain) is expected


def test_another_header_names_the_host() -> None:
    configuration = hosts(["foo.com"], ["*"], vhost_header="X-Host")

    assert owner(ask(configuration, authority="x", headers={"x-host": "foo.com"})) == "foo.com"
    assert owner(ask(configuration, authority="foo.com")) is None


def test_no_fallback_to_another_virtual_host() -> None:
    configuration = table(
        {
            "name": "rc",
            "virtual_hosts": [
                {"name": "a", "domains": ["foo.com"], "routes": [{**ANY, "match": {"prefix": "/x"}}]},
                {"name": "b", "domains": ["*"], "routes": [ANY]},
            ],
        }
    )
    stream = ask(configuration)

    assert owner(stream) == "a"
    assert stream.route is None


@pytest.mark.parametrize(
    ("require_tls", "headers", "expected"),
    [
        ("NONE", {}, None),
        ("ALL", {}, "https://foo.com:8080/none?q"),
        ("ALL", {"x-forwarded-proto": "https"}, None),
        ("EXTERNAL_ONLY", {}, "https://foo.com:8080/none?q"),
        ("EXTERNAL_ONLY", {"x-envoy-internal": "true"}, None),
    ],
)
def test_require_tls(require_tls: str, headers: dict[str, str], expected: str | None) -> None:
    """The redirect comes before routes: a path without route gets it too."""
    configuration = table(one_host({**ANY, "match": {"path": "/x"}}, require_tls=require_tls))
    stream = ask(configuration, "/none?q", "foo.com:8080", headers=headers)

    if expected is None:
        assert stream.route is None
        return
    assert stream.route is not None
    action = stream.route.action
    assert isinstance(action, Redirect)
    assert redirect_reply(stream, action) == LocalReply(301, "direct_response", headers=(("location", expected),))


def test_no_forwarded_proto_no_route() -> None:
    stream = ask(table(one_host({**ANY, "name": "r"})), resolve=False)
    stream.headers.remove("x-forwarded-proto")
    assert stream.virtual_host is None

    assert name_of(ask(table(one_host({**ANY, "name": "r"})), headers={"x-forwarded-proto": ""})) is None


def test_virtual_clusters() -> None:
    virtual_clusters = [{"name": "posts", "headers": [{"name": ":method", "string_match": {"exact": "POST"}}]}]
    host = ask(table(one_host(ANY, virtual_clusters=virtual_clusters)), method="POST")
    assert host.virtual_host is not None

    assert host.virtual_host.virtual_cluster(host.headers) == "posts"
    assert host.virtual_host.virtual_cluster(ask(table(one_host(ANY))).headers) is None


def test_losing_domains_are_named() -> None:
    """Domains that match too, or those that nearly do."""
    step = ask(hosts(["*.foo.com"], ["*"]), authority="a.foo.com", explain=True).telling.steps[0]
    assert step.losers is not None
    assert [(str(r.ref), r.reason) for r in step.losers()] == [("/virtual_hosts/1/domains/0", "`*` is less specific")]

    step = ask(hosts(["foo.com"]), authority="foo.com:80", explain=True).telling.steps[0]
    assert step.losers is not None
    assert [r.reason for r in step.losers()] == ["`foo.com` is not `foo.com:80`: the port counts"]


def test_losing_routes_are_named() -> None:
    routes = [
        {"match": {"prefix": "/b"}, "direct_response": {"status": 200}},
        {
            "match": {"prefix": "/a", "headers": [{"name": "x", "string_match": {"exact": "1"}}]},
            "direct_response": {"status": 200},
        },
        ANY,
    ]
    step = ask(table(one_host(*routes)), "/a", explain=True).telling.steps[1]
    assert step.losers is not None

    assert [(str(r.ref), r.reason) for r in step.losers()] == [
        ("/virtual_hosts/0/routes/0", "path `/a` is not below prefix `/b`"),
        ("/virtual_hosts/0/routes/1", "header `x` must be exact `1`, is missing (nearest miss)"),
    ]
