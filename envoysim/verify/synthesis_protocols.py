"""More than an answer to GET: methods, preflights, gRPC, upgrades, tunnels, other HTTP versions, oddities."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from ..model.behaviour import Behaviour
from ..model.request import Connection, Request
from .synthesis_failures import grpc_failing

ORIGIN = ("origin", "https://origin.example")
PREFLIGHT = ("access-control-request-method", "GET")
GRPC = (("content-type", "application/grpc"), ("te", "trailers"))
GRPC_TIMEOUTS = ("2S", "1500m", "1H", "0m", "99999999n", "123456789S", "x", "5", "-1S", "")
ODD_PATHS = (
    "//",
    "/./a",
    "/a/../b",
    "/../../a",
    "/%2e%2e/a",
    "/a%2Fb",
    "/a%5Cb",
    "/a\\b",
    "/a%00b",
    "/a%zz",
    "/a;b=c",
    "/a?",
    "/a??b#c",
    "/a#fragment",
    "/%C3%A4",
    "/" + "long/" * 300,
    "http://absolute.example/path?x=1",
    "https://absolute.example",
    "no-slash",
)
ODD_HEADERS = (
    tuple((f"x-many-{i}", "1") for i in range(101)),
    tuple((f"x-some-{i}", "1") for i in range(80)),
    (("x-large", "v" * 61_000),),
    (("x-long", "v" * 20_000),),
    (("content-length", "0"), ("content-length", "0")),
    (("content-length", "x"),),
    (("content-length", "-1"),),
    (("transfer-encoding", "chunked"), ("content-length", "3")),
    (("transfer-encoding", "identity"),),
    (("host", "other.example"),),
    (("x-empty", ""),),
    (("x-space", "  a  b  "),),
    (("x-control", "a\x01b"),),
    (("x bad name", "1"),),
    (("cookie", "a=b"), ("cookie", "c=d")),
    (("accept", "a"), ("accept", "b")),
    (("content-type", "a/b"), ("content-type", "c/d")),
    (("user-agent", "a"), ("user-agent", "b")),
    (("upgrade-insecure-requests", "1"), ("connection", "upgrade-insecure-requests")),
    (("connection", "TE"), ("te", "trailers;q=0.5")),
    (("upgrade", "h2c"), ("connection", "Upgrade, HTTP2-Settings"), ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA")),
    (("transfer-encoding", "gzip, chunked"),),
)
ODD_AUTHORITIES = (
    None,
    "",
    "any.example:",
    "any.example:80",
    "any.example:443",
    "[::1]:80",
    "127.0.0.1",
    "a_b.example",
)


def methods(hit: Request, rng: random.Random) -> Iterator[Request]:
    """``hit`` by other methods, with bodies, as a browser's cross-origin request."""
    for method in rng.sample(("POST", "HEAD", "OPTIONS", "DELETE", "PUT", "PATCH", "TRACE", "xx"), 3):
        yield replace(hit, method=method)
    yield replace(hit, method="POST", body="hello", headers=(*hit.headers, ("content-type", "text/plain")))
    yield replace(hit, method="OPTIONS", headers=(*hit.headers, ORIGIN, PREFLIGHT))
    yield replace(hit, method=rng.choice(("GET", "POST", "OPTIONS")), headers=(*hit.headers, ORIGIN))


def grpc(hit: Request, rng: random.Random) -> Iterator[Request]:
    """``hit`` as a gRPC call, by HTTP/1 and HTTP/2, with a deadline, answered and failing; gRPC-Web beside it."""
    headers = (*(h for h in hit.headers if h[0] != GRPC[0][0]), *GRPC)
    call = replace(hit, method="POST", headers=headers)
    answered = replace(call, upstream=(Behaviour(grpc_status=0),))
    yield answered
    yield call
    for timeout in rng.sample(GRPC_TIMEOUTS, 2):
        yield replace(answered, headers=(*headers, ("grpc-timeout", timeout)))
    yield _by_http2(replace(answered, headers=(*headers, ("grpc-timeout", rng.choice(GRPC_TIMEOUTS)))))
    yield _by_http2(replace(answered, body="\0\0\0\0\2hi"))
    yield replace(call, headers=(*hit.headers, ("content-type", "application/grpc-web+proto")), body="\0\0\0\0\1a")
    yield from grpc_failing(call, rng)
    yield from grpc_failing(_by_http2(call), rng)


def upgrades(hit: Request, rng: random.Random) -> Iterator[Request]:
    """``hit`` that asks for another protocol, or for a tunnel."""
    kind = rng.choice(("websocket", "WebSocket", "h2c", "foo", "connect-udp"))
    asks = replace(hit, headers=(*hit.headers, ("connection", "Upgrade"), ("upgrade", kind)))
    accepted = Behaviour(status=101, headers=(("connection", "upgrade"), ("upgrade", kind)), body="")
    yield replace(asks, upstream=(accepted,))
    yield replace(asks, upstream=(Behaviour(status=403, body="no"),))
    if kind == "connect-udp":
        yield replace(asks, path=f"/.well-known/masque/udp/{rng.choice(('192.0.2.6', '2001:db8::1', 'a%25b'))}/443/")
    tunnel = replace(hit, method="CONNECT", path="", authority=f"{(hit.authority or 'a').split(':')[0]}:443")
    yield tunnel
    yield _by_http2(tunnel)


def versions(hit: Request, rng: random.Random) -> Iterator[Request]:
    """``hit`` by HTTP/1.0 and HTTP/2, with other authorities, odd headers and odd paths."""
    old = replace(hit, connection=Connection(protocol="HTTP/1.0"))
    yield old
    yield replace(old, authority=None)
    yield replace(old, headers=(*hit.headers, ("connection", "keep-alive")))
    yield _by_http2(hit)
    yield _by_http2(replace(hit, method="POST", body="hello"))
    for authority in rng.sample(ODD_AUTHORITIES, 2):
        yield replace(hit, authority=authority)
    for path in rng.sample(ODD_PATHS, 3):
        yield replace(hit, path=path)
    for headers in rng.sample(ODD_HEADERS, 2):
        yield replace(hit, headers=(*hit.headers, *headers))
    yield _by_http2(replace(hit, headers=(*hit.headers, *rng.choice(ODD_HEADERS))))
    base = hit.path.partition("?")[0].rstrip("/")
    yield replace(hit, path=base + rng.choice(ODD_PATHS[:16]))
    yield _by_http2(replace(hit, path=base + rng.choice(ODD_PATHS[:16])))


def _by_http2(request: Request) -> Request:
    return replace(request, connection=Connection(protocol="HTTP/2"))
