"""curl's words mean what they mean in curl."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from envoysim.cli.curl import parse_curl
from envoysim.cli.trace import command as trace
from envoysim.cli.upstream_words import parse_upstreams
from envoysim.errors import EnvoysimError, OptionError
from envoysim.model.behaviour import Behaviour, Upstream

CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("http://a.com", {}, {"authority": "a.com", "port": 80, "path": "/", "method": "GET", "address": None}),
    ("http://a.com:80/x", {}, {"authority": "a.com", "port": 80}),
    ("http://a.com:8080/x?y=1", {}, {"authority": "a.com:8080", "path": "/x?y=1", "port": 8080}),
    ("https://A.com/", {}, {"authority": "A.com", "port": 443, "scheme": "https"}),
    ("a.com/x", {}, {"scheme": "http", "path": "/x"}),
    ("http://10.0.0.1:81/", {}, {"address": "10.0.0.1", "authority": "10.0.0.1:81"}),
    ("http://[::1]:81/", {}, {"address": "::1", "authority": "[::1]:81"}),
    ("http://a.com/", {"headers": ["Host: b.com"]}, {"authority": "b.com", "headers": ()}),
    ("http://a.com/", {"headers": ["X-A: 1", "x-b;", "x-c:"]}, {"headers": (("X-A", "1"), ("x-b", ""))}),
    ("http://a.com/", {"data": ["a=1", "b=2"]}, {"method": "POST", "body": "a=1&b=2"}),
    ("http://a.com/?z", {"data": ["a=1"], "get": True}, {"method": "GET", "path": "/?z&a=1", "body": ""}),
    ("http://a.com/", {"data": ["a"], "method": "PUT"}, {"method": "PUT"}),
    ("http://a.com/", {"head": True}, {"method": "HEAD"}),
    ("http://a.com/", {"resolve": ["a.com:80:10.9.9.9"]}, {"address": "10.9.9.9"}),
    ("http://a.com/", {"resolve": ["b.com:80:10.9.9.9"]}, {"address": None}),
    ("http://a.com/", {"user": "u:p"}, {"headers": (("authorization", "Basic dTpw"),)}),
]


@pytest.mark.parametrize(("url", "options", "expected"), CASES)
def test_request(url: str, options: dict[str, Any], expected: dict[str, Any]) -> None:
    request = parse_curl(url, **options)

    assert {key: getattr(request, key) for key in expected} == expected


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("http://", {}, "no host"),
    ("ftp://a.com/", {}, "scheme `ftp`"),
    ("http://a.com:99999/", {}, "malformed URL"),
    ("http://a.com:x/", {}, "malformed URL"),
    ("http://a.com/a b", {}, "blanks"),
    ("http://a.com/", {"headers": ["novalue"]}, "expected `name: value`"),
    ("http://a.com/", {"headers": ["a b: c"]}, "not a header name"),
    ("http://a.com/", {"resolve": ["a.com:80"]}, "expected HOST:PORT:ADDRESS"),
    ("http://a.com/", {"resolve": ["a.com:80:b"]}, "not an IP address"),
    ("http://a.com/", {"data": ["@/does/not/exist"]}, "cannot read data file"),
]


@pytest.mark.parametrize(("url", "options", "message"), BAD)
def test_bad(url: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvoysimError) as error:
        parse_curl(url, **options)

    assert message in str(error.value)


@pytest.mark.parametrize("argument", ["-k", "--insecure", "--max-time=3", "-L", "-sv"])
def test_meaningless_options_are_refused(argument: str) -> None:
    told = CliRunner().invoke(trace, ["dump.json", "http://a/", argument])

    assert (told.exit_code, told.stdout) == (2, "")
    assert "has no meaning in a simulation: " in told.stderr


def test_upstream_words() -> None:
    found = parse_upstreams(
        [
            "*=503",
            "10.1.2.3:9080=reset",
            "outbound|80|v2|a=200 after 2s, hang",
            "x=grpc 14",
            "y=plaintext",
            "z=tls, 503",
        ]
    )

    assert found == {
        "*": Upstream(behaviours=(Behaviour(status=503),)),
        "10.1.2.3:9080": Upstream(behaviours=(Behaviour(action="reset"),)),
        "outbound|80|v2|a": Upstream(behaviours=(Behaviour(delay_ms=2000.0), Behaviour(action="hang"))),
        "x": Upstream(behaviours=(Behaviour(grpc_status=14),)),
        "y": Upstream(tls=False, protocol="HTTP/1.1"),
        "z": Upstream(tls=True, behaviours=(Behaviour(status=503),)),
    }


@pytest.mark.parametrize("word", ["503", "*=", "*=999", "*=rset", "*=200 after soon"])
def test_bad_upstream_words(word: str) -> None:
    with pytest.raises(OptionError, match="malformed"):
        parse_upstreams([word])
