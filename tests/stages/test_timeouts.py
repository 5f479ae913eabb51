"""Which timeout a request runs under and what the upstream is told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from envoysim.model.headers import HeaderMap
from envoysim.model.ref import NOWHERE
from envoysim.model.reply import LocalReply
from envoysim.stages.retry import RetryPolicy
from envoysim.stages.stream import Telling
from envoysim.stages.timeouts import (
    MAX_DURATION,
    STREAM_IDLE,
    StreamTimers,
    final_timeouts,
    format_grpc_timeout,
    is_grpc,
    parse_grpc_timeout,
)

FORWARD = {
    "timeout_ms": None,
    "using_new_timeouts": False,
    "max_grpc_timeout_ms": None,
    "grpc_timeout_offset_ms": None,
    "hedge_on_per_try_timeout": False,
}
PER_TRY, GLOBAL, EXPECTED = (
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-expected-rq-timeout-ms",
)

# route, per_try_timeout of the policy, request headers, gRPC -> global, per try, expected header
CASES = [
    ({}, 0, {}, False, 15000, 0, "15000"),
    ({"timeout_ms": 300}, 0, {}, False, 300, 0, "300"),
    ({"timeout_ms": 0}, 0, {}, False, 0, 0, None),
    ({"timeout_ms": 300}, 100, {}, False, 300, 100, "100"),
    ({"timeout_ms": 300}, 300, {}, False, 300, 0, "300"),
    ({"timeout_ms": 0}, 100, {}, False, 0, 100, "100"),
    ({"timeout_ms": 300}, 0, {GLOBAL: "50"}, False, 50, 0, "50"),
    ({"timeout_ms": 300}, 0, {GLOBAL: "soon"}, False, 300, 0, "300"),
    ({"timeout_ms": 300}, 100, {PER_TRY: "20"}, False, 300, 20, "20"),
    ({"timeout_ms": 300, "using_new_timeouts": True}, 0, {}, False, 0, 0, None),
    ({"timeout_ms": 300, "using_new_timeouts": True}, 0, {GLOBAL: "50"}, False, 50, 0, "50"),
    ({"max_grpc_timeout_ms": 200}, 0, {"grpc-timeout": "1S"}, True, 200, 0, "200"),
    ({"max_grpc_timeout_ms": 0}, 0, {"grpc-timeout": "1S"}, True, 1000, 0, "1000"),
    ({"max_grpc_timeout_ms": 200}, 0, {}, True, 200, 0, "200"),
    ({"max_grpc_timeout_ms": 0}, 0, {}, True, 0, 0, None),
    ({"max_grpc_timeout_ms": 0, "grpc_timeout_offset_ms": 100}, 0, {"grpc-timeout": "1S"}, True, 900, 0, "900"),
    ({"max_grpc_timeout_ms": 200, "timeout_ms": 70}, 0, {"grpc-timeout": "1S"}, False, 70, 0, "70"),
    ({"timeout_ms": 300, "hedge_on_per_try_timeout": True}, 100, {}, False, 300, 100, "300"),
]


@pytest.mark.parametrize(("route", "per_try", "headers", "grpc", "whole", "one", "told"), CASES)
def test_final_timeouts(
    route: dict[str, object],
    per_try: int,
    headers: dict[str, str],
    grpc: bool,
    whole: int,
    one: int,
    told: str | None,
) -> None:
    forward = SimpleNamespace(**{**FORWARD, **route})
    request = HeaderMap(headers.items())
    policy = RetryPolicy(per_try_timeout_ms=per_try)
    timeouts = final_timeouts(
        forward,  # type: ignore[arg-type]
        policy,
        request,
        grpc=grpc,
        respect_expected=False,
        envoy_headers=True,
    )
    assert (timeouts.global_ms, timeouts.per_try_ms) == (whole, one)
    assert request.get(EXPECTED) == told
    assert GLOBAL not in request
    assert PER_TRY not in request


def test_expected_header_of_a_trusted_proxy_is_the_timeout() -> None:
    request = HeaderMap([(EXPECTED, "40"), (GLOBAL, "50")])
    forward = SimpleNamespace(**FORWARD)
    timeouts = final_timeouts(
        forward,  # type: ignore[arg-type]
        RetryPolicy(),
        request,
        grpc=False,
        respect_expected=True,
        envoy_headers=True,
    )
    assert timeouts.global_ms == 40
    assert request.get(GLOBAL) == "50"


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1H", 3_600_000),
        ("2M", 120_000),
        ("3S", 3000),
        ("4m", 4),
        ("1u", 1),
        ("1500u", 2),
        ("1n", 1),
        ("0n", 0),
        ("99999999m", 99_999_999),
        ("100000000m", None),
        ("5", None),
        ("S", None),
        ("-1S", None),
        ("", None),
        (None, None),
        ("5x", None),
    ],
)
def test_grpc_timeout_header(text: str | None, ms: int | None) -> None:
    assert parse_grpc_timeout(text) == ms


@pytest.mark.parametrize(("ms", "text"), [(5, "5m"), (99_999_999, "99999999m"), (100_000_000, "100000S")])
def test_grpc_timeout_is_written_with_at_most_8_digits(ms: int, text: str) -> None:
    assert format_grpc_timeout(ms) == text


@pytest.mark.parametrize(
    ("content_type", "yes"),
    [
        ("application/grpc", True),
        ("application/grpc+proto", True),
        ("application/grpc-web", False),
        ("application/grpc; a=b", False),
        ("text/plain", False),
        (None, False),
    ],
)
def test_grpc_content_type(content_type: str | None, yes: bool) -> None:
    assert is_grpc(content_type) is yes


@pytest.mark.parametrize(
    ("reply", "route", "place", "told"),
    [
        (STREAM_IDLE, {"idle_timeout_ms": 200}, "/route/idle_timeout", 200),
        (STREAM_IDLE, {}, "/manager/stream_idle_timeout", 200),
        (MAX_DURATION, {"max_stream_duration_ms": 150}, "/route/max_stream_duration", 150),
        (MAX_DURATION, {"grpc_timeout_header_max_ms": 0}, "/route/max_stream_duration", 150),
        (MAX_DURATION, {}, "/manager/common_http_protocol_options/max_stream_duration", 150),
    ],
)
def test_a_timer_that_fired_says_where_it_is_set(
    reply: LocalReply, route: dict[str, int], place: str, told: int
) -> None:
    unset = dict.fromkeys(("idle_timeout_ms", "max_stream_duration_ms", "grpc_timeout_header_max_ms"))
    forward = SimpleNamespace(**{**unset, **route, "ref": NOWHERE.at("route")})
    telling = Telling(explain=False)
    stream = SimpleNamespace(hcm=SimpleNamespace(ref=NOWHERE.at("manager")), start_ms=50.0, telling=telling)

    StreamTimers(200.0, 200.0, 250.0, True).tell(stream, forward, reply)  # type: ignore[arg-type]

    assert [(str(step.ref), step.args) for step in telling.steps] == [(place, (told,))]
