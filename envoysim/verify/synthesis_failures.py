"""Upstreams that fail, with and without the client's own retry headers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from ..model.behaviour import Behaviour
from ..model.request import Request

FAILURES = (
    Behaviour(status=500, body="broken"),
    Behaviour(status=502),
    Behaviour(status=503, headers=(("x-envoy-overloaded", "true"),)),
    Behaviour(status=503),
    Behaviour(status=504),
    Behaviour(status=404, body="nope"),
    Behaviour(status=409),
    Behaviour(status=429, headers=(("retry-after", "1"), ("server", "upstream"))),
    Behaviour(status=200, headers=(("x-envoy-ratelimited", "true"),)),
    Behaviour(status=204, body=""),
    Behaviour(status=304, body="", headers=(("etag", '"a"'),)),
    Behaviour(status=302, body="", headers=(("location", "http://any.example/elsewhere"),)),
    Behaviour(status=307, body="", headers=(("location", "/relative"),)),
    Behaviour(action="reset"),
    Behaviour(action="close"),
    Behaviour(action="garbage"),
    Behaviour(action="partial"),
    Behaviour(headers=(("x-envoy-immediate-health-check-fail", "1"),)),
    Behaviour(headers=(("set-cookie", "a=b"), ("set-cookie", "c=d"), ("x-envoy-upstream-service-time", "9"))),
    Behaviour(headers=(("server", "upstream"), ("date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("via", "1.0 up"))),
    Behaviour(trailers=(("x-trailer", "1"),)),
)
GRPC_FAILURES = tuple(Behaviour(grpc_status=code) for code in (0, 1, 4, 8, 14, 16))
RETRY_ON = (
    "5xx",
    "gateway-error",
    "connect-failure,refused-stream",
    "retriable-4xx",
    "retriable-status-codes",
    "retriable-headers",
    "reset",
    "reset-before-request",
    "envoy-ratelimited",
    "http3-post-connect-failure",
    "5xx, gateway-error",
    "nonsense",
)
GRPC_RETRY_ON = ("cancelled", "deadline-exceeded", "resource-exhausted", "unavailable,internal", "nonsense")


def failing(hit: Request, rng: random.Random) -> Iterator[Request]:
    """``hit`` while its upstream fails."""
    for failure in rng.sample(FAILURES, 3):
        yield replace(hit, upstream=(failure,))
        yield replace(hit, upstream=(failure, Behaviour()))
    asks = (("x-envoy-retry-on", rng.choice(RETRY_ON)), ("x-envoy-max-retries", rng.choice(("0", "1", "3", "x"))))
    codes = (("x-envoy-retriable-status-codes", "404,409, x"), ("x-envoy-retriable-header-names", "server"))
    for extra in (asks, (*asks, *codes), (asks[0],)):
        yield replace(hit, headers=(*hit.headers, *extra), upstream=(rng.choice(FAILURES), Behaviour()))
    yield replace(hit, method="POST", body="x" * 2000, upstream=(rng.choice(FAILURES), Behaviour()))
    patience = (("x-envoy-upstream-rq-timeout-ms", "300"), ("x-envoy-upstream-rq-per-try-timeout-ms", "100"))
    slow = rng.choice((Behaviour(delay_ms=700), Behaviour(action="hang"), Behaviour(action="stall")))
    alternative = (("x-envoy-upstream-rq-timeout-alt-response", "1"),) if rng.random() < 0.3 else ()
    if rng.random() < 0.3:
        yield replace(hit, headers=(*hit.headers, *patience, *alternative, asks[0]), upstream=(slow, Behaviour()))


def grpc_failing(call: Request, rng: random.Random) -> Iterator[Request]:
    """A gRPC ``call`` while its upstream fails."""
    asks = (("x-envoy-retry-grpc-on", rng.choice(GRPC_RETRY_ON)),)
    for extra in ((), asks):
        failure = rng.choice((*GRPC_FAILURES, *FAILURES))
        yield replace(call, headers=(*call.headers, *extra), upstream=(failure, Behaviour(grpc_status=0)))
