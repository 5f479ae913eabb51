"""What the codecs refuse, drop and rewrite; every row was measured on Envoy 1.40."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envoysim.match.string_matcher import compile_string_matcher
from envoysim.model.address import Address
from envoysim.model.ref import NOWHERE
from envoysim.model.reply import Aborted, LocalReply
from envoysim.model.request import Request
from envoysim.model.world import State, World
from envoysim.stages.codec import decode_request
from envoysim.stages.stream import DownstreamConnection, Stream, Telling

from .routing import decode

HERE = Address("127.0.0.1", 80)
DEFAULTS: dict[str, Any] = {
    "max_requests_per_connection": 0,
    "ref": NOWHERE,
    "codec_type": "AUTO",
    "max_request_headers_kb": 60,
    "max_headers_count": 100,
    "underscores": "ALLOW",
    "accept_http_10": False,
    "default_host_for_http_10": "",
    "allow_absolute_url": True,
    "validates_scheme": False,
    "allow_custom_methods": False,
    "allow_chunked_length": False,
    "ignored_upgrades": (),
    "http2_allow_connect": False,
    "http2_stream_errors": False,
}
Headers = list[tuple[str, str]]


def read(
    method: str = "GET",
    path: str = "/",
    authority: str | None = "foo.com",
    headers: Headers = (),  # type: ignore[assignment]
    *,
    protocol: str = "HTTP/1.1",
    body: str = "",
    connection: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[Stream, LocalReply | Aborted | None]:
    listener: Any = None
    link = DownstreamConnection(listener, HERE, HERE, HERE, HERE, protocol, **(connection or {}))
    hcm: Any = SimpleNamespace(**{**DEFAULTS, **options})
    request = Request(method=method, path=path, authority=authority, headers=tuple(headers), body=body)
    proxy: Any = None
    return decode_request(hcm, link, request, proxy, World(), State(), Telling(explain=False))


def refusal(end: LocalReply | Aborted | None) -> object:
    if isinstance(end, LocalReply):
        return end.status, end.details
    return None if end is None else (end.closed, end.details)


CODEC = (400, "http1.codec_error")
CHARACTERS = (400, "http1.invalid_characters")
URL = (400, "http1.invalid_url")
AUTHORITY = (400, "http.invalid_authority")
BOTH_LENGTHS = (400, "http1.content_length_and_chunked_not_allowed")
CHUNKED = ("transfer-encoding", "chunked")
# what is asked, how it ends
HTTP1: list[tuple[dict[str, Any], object]] = [
    ({}, None),
    ({"method": "PROPFIND"}, None),
    ({"method": "MSEARCH"}, None),
    ({"method": "M-SEARCH"}, CODEC),
    ({"method": "get"}, CODEC),
    ({"method": "WEIRD"}, CODEC),
    ({"method": "WEIRD", "allow_custom_methods": True}, None),
    ({"method": "WE@IRD", "allow_custom_methods": True}, CODEC),
    ({"path": "/a b"}, CODEC),
    ({"path": "/é"}, CODEC),
    ({"path": "/\x7f"}, CHARACTERS),
    ({"path": "foo"}, CODEC),
    ({"path": "*"}, URL),
    ({"path": "*", "method": "OPTIONS"}, None),
    ({"path": "*", "allow_absolute_url": False}, None),
    ({"path": "http://bar.com:/"}, URL),
    ({"path": "http://bar.com:99999/"}, URL),
    ({"path": "http://a_b.com/"}, URL),
    ({"path": "http://[zz]/"}, URL),
    ({"path": "http:///x"}, URL),
    ({"path": "http://bar.com#f"}, CODEC),
    ({"path": "ftp://bar.com/"}, (400, "http1.invalid_scheme")),
    ({"path": "https://bar.com/"}, None),
    ({"path": "https://bar.com/", "validates_scheme": True}, (403, "http1.https_url_on_plaintext_connection")),
    ({"method": "CONNECT", "path": "", "authority": "bar.com:80"}, None),
    ({"method": "CONNECT", "path": "", "authority": "bar.com"}, URL),
    ({"method": "CONNECT", "path": "u@bar.com:80"}, URL),
    ({"method": "CONNECT", "path": "bar.com:80", "headers": [("content-length", "5")]}, (400, "http1.body_disallowed")),
    ({"method": "CONNECT", "path": "bar.com:80", "headers": [("content-length", "0")]}, None),
    ({"authority": None}, None),  # the connection manager's business
    ({"authority": "a b"}, AUTHORITY),
    ({"authority": "a/b"}, AUTHORITY),
    ({"authority": "a,b"}, None),
    ({"authority": "a@b"}, None),
    ({"protocol": "HTTP/1.0"}, (426, "low_version")),
    ({"protocol": "HTTP/1.0", "accept_http_10": True}, None),
    ({"headers": [("x y", "1")]}, CODEC),
    ({"headers": [("", "1")]}, CODEC),
    ({"headers": [("x", "a\x01")]}, CHARACTERS),
    ({"headers": [("x\x01", "a")]}, CHARACTERS),
    ({"method": "xx", "path": "a", "headers": [("content-length", "x"), ("x", "\x01")]}, CHARACTERS),
    ({"headers": [("x", "é\t")]}, None),
    ({"headers": [("x_y", "\x01")], "underscores": "REJECT_REQUEST"}, CHARACTERS),
    ({"headers": [("x_y", "1")], "underscores": "REJECT_REQUEST"}, (400, "http1.unexpected_underscore")),
    ({"headers": [("content-length", "x")]}, CODEC),
    ({"headers": [("content-length", "-1")]}, CODEC),
    ({"headers": [("content-length", "3"), ("content-length", "3")]}, CODEC),
    ({"headers": [("content-length", "3"), CHUNKED]}, BOTH_LENGTHS),
    ({"headers": [("content-length", "3"), CHUNKED], "allow_chunked_length": True}, None),
    ({"headers": [("transfer-encoding", "gzip")]}, (501, "http1.invalid_transfer_encoding")),
    ({"headers": [("transfer-encoding", "Chunked")]}, None),
    ({"headers": [("connection", "x-forwarded-for")]}, (400, "http1.connection_header_rejected")),
    ({"headers": [("connection", ",".join("abcdefghij"))]}, (400, "http1.connection_header_rejected")),
    ({"headers": [(f"x{i}", "1") for i in range(99)]}, None),
    ({"headers": [(f"x{i}", "1") for i in range(100)]}, (431, "http1.too_many_headers")),
    ({"headers": [("accept", "1")] * 120}, None),
    ({"headers": [("x", "a" * 61_440)]}, (431, "http1.headers_too_large")),
    ({"method": "WEIRD", "headers": [("x", "a" * 61_440)]}, CODEC),
    (
        {"method": "WEIRD", "headers": [("x", "a" * 1024)], "max_request_headers_kb": 1},
        (431, "http1.headers_too_large"),
    ),
    ({"codec_type": "HTTP2"}, ("eof", None)),
    ({"connection": {"alpn": "h2", "tls": True, "client_tls": True}}, ("eof", None)),
    ({"connection": {"client_tls": True}}, ("tls", "http1.codec_error")),
    ({"connection": {"client_tls": True}, "codec_type": "HTTP2"}, ("tls", None)),
    ({"protocol": "TCP"}, CODEC),
]


@pytest.mark.parametrize(("asked", "end"), HTTP1)
def test_http1_refuses(asked: dict[str, Any], end: object) -> None:
    assert refusal(read(**asked)[1]) == end


HTTP10: dict[str, Any] = {"protocol": "HTTP/1.0", "accept_http_10": True}
H2C = [("connection", "upgrade"), ("upgrade", "h2c"), ("http2-settings", "x")]
# what is asked, headers that must come out
READS: list[tuple[dict[str, Any], dict[str, str | None]]] = [
    ({"path": "http://bar.com/x?y"}, {":authority": "bar.com", ":path": "/x?y", ":scheme": "http"}),
    ({"path": "HTTP://u@bar.com:80"}, {":authority": "bar.com:80", ":path": "/", ":scheme": "http"}),
    ({"path": "http://bar.com?q"}, {":path": "?q"}),
    ({"path": "http://[::1]:80/x"}, {":authority": "[::1]:80", ":path": "/x"}),
    ({"headers": [("Host", "bar.com")]}, {":authority": "foo.com,bar.com", "host": None}),
    ({**HTTP10, "authority": None, "default_host_for_http_10": "d"}, {":authority": "d"}),
    ({"headers": [("X-A", "  1 "), ("Accept", "a"), ("accept", "b")]}, {"x-a": "1", "accept": "a,b"}),
    ({"headers": [("x_y", "1")], "underscores": "DROP_HEADER"}, {"x_y": None}),
    ({"headers": [("connection", "x-a, close"), ("x-a", "1")]}, {"x-a": None, "connection": "close"}),
    ({"headers": [("connection", "te"), ("te", "gzip, trailers")]}, {"te": "trailers", "connection": "te"}),
    ({"headers": [("connection", "Upgrade, x-a"), ("upgrade", "ws"), ("x-a", "1")]}, {"x-a": "1", "upgrade": "ws"}),
    ({"headers": H2C}, {"upgrade": None, "connection": None, "http2-settings": None}),
    ({"body": "äb"}, {"content-length": "3"}),
]


@pytest.mark.parametrize(("asked", "wanted"), READS)
def test_http1_reads(asked: dict[str, Any], wanted: dict[str, str | None]) -> None:
    stream, end = read(**asked)
    assert end is None
    assert {name: stream.headers.get(name) for name in wanted} == wanted


def test_ignored_upgrades_are_dropped() -> None:
    matcher = compile_string_matcher(decode("envoy.type.matcher.v3.StringMatcher", {"exact": "x"}))
    stream, _ = read(headers=[("connection", "upgrade"), ("upgrade", "x, y")], ignored_upgrades=(matcher,))
    assert stream.headers.get("upgrade") == "y"
    stream, _ = read(headers=[("connection", "upgrade"), ("upgrade", "x")], ignored_upgrades=(matcher,))
    assert stream.headers.get("upgrade") is None


INVALID, VIOLATION = ("eof", "http2.invalid.header.field"), ("eof", "http2.violation.of.messaging.rule")
PROTOCOL = (":protocol", "websocket")
HTTP2: list[tuple[dict[str, Any], object]] = [
    ({}, None),
    ({"method": "WEIRD"}, None),
    ({"method": "GE T"}, INVALID),
    ({"authority": None}, VIOLATION),
    ({"authority": None, "headers": [("host", "bar.com")]}, None),
    ({"authority": ""}, INVALID),
    ({"authority": "a b"}, INVALID),
    ({"authority": "a@b"}, INVALID),
    ({"path": ""}, INVALID),
    ({"path": "x"}, VIOLATION),
    ({"path": "*"}, VIOLATION),
    ({"path": "*", "method": "OPTIONS"}, None),
    ({"method": "CONNECT", "path": ""}, None),
    ({"method": "CONNECT", "path": "/x"}, VIOLATION),
    ({"method": "CONNECT", "path": "/x", "headers": [PROTOCOL]}, INVALID),
    ({"method": "CONNECT", "path": "/x", "headers": [PROTOCOL], "http2_allow_connect": True}, None),
    ({"headers": [PROTOCOL], "http2_allow_connect": True}, VIOLATION),
    ({"headers": [("connection", "close")]}, INVALID),
    ({"headers": [("connection", "close")], "http2_stream_errors": True}, ("reset", INVALID[1])),
    ({"headers": [("te", "gzip")]}, INVALID),
    ({"headers": [("te", "Trailers")]}, None),
    ({"headers": [("x y", "1")]}, INVALID),
    ({"headers": [("x", "a\x00")]}, INVALID),
    ({"headers": [("host", "a"), ("host", "b")]}, INVALID),
    ({"headers": [("content-length", "3")]}, VIOLATION),
    ({"headers": [("content-length", "2")], "body": "abc"}, ("reset", "http2.remote_reset")),
    ({"headers": [("x_y", "1")], "underscores": "REJECT_REQUEST"}, ("reset", "http2.unexpected_underscore")),
    ({"headers": [("cookie", "a")] * 96}, None),
    ({"headers": [("cookie", "a")] * 97}, ("reset", "http2.too_many_headers")),
    ({"headers": [("x", "a" * 61_500)]}, ("reset", "http2.header_list_size_too_large")),
    ({"codec_type": "HTTP1"}, ("eof", "http1.codec_error")),
]


@pytest.mark.parametrize(("asked", "end"), HTTP2)
def test_http2_refuses(asked: dict[str, Any], end: object) -> None:
    assert refusal(read(protocol="HTTP/2", **asked)[1]) == end


def test_http2_joins_cookies_and_turns_extended_connect_into_an_upgrade() -> None:
    headers = [("cookie", "a=1"), ("cookie", "b=2"), ("host", "other"), PROTOCOL]
    stream, end = read("CONNECT", "/x", headers=headers, protocol="HTTP/2", http2_allow_connect=True)
    assert end is None
    wanted = {
        ":method": "GET",
        "upgrade": "websocket",
        "connection": "upgrade",
        "cookie": "a=1; b=2",
        ":authority": "foo.com",
    }
    assert {name: stream.headers.get(name) for name in wanted} == wanted


TEXT = st.text(st.characters(max_codepoint=0x17F), max_size=8)


@given(method=TEXT, path=TEXT, authority=st.none() | TEXT, headers=st.lists(st.tuples(TEXT, TEXT), max_size=4))
def test_no_request_breaks_the_codecs(method: str, path: str, authority: str | None, headers: Headers) -> None:
    for protocol in ("HTTP/1.1", "HTTP/2"):
        stream, end = read(method, path, authority, headers, protocol=protocol, allow_custom_methods=True)
        assert end is not None or all(name == name.lower() for name, _ in stream.headers)
