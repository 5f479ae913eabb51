"""Timeouts: which one a request runs under, and the answer when it fires.

Route and per-try timeouts follow ``FilterUtility::finalTimeout`` and ``setTimeoutHeaders``
(``source/common/router/router.cc``); the stream's idle and duration timers ``refreshDurationTimeout`` and
``refreshIdleAndFlushTimeouts`` (``source/common/http/conn_manager_impl.cc``).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..model.reply import LocalReply
from .retry import parse_uint

if TYPE_CHECKING:
    from ..model.headers import HeaderMap
    from .retry import RetryPolicy
    from .route import Forward
    from .stream import Stream

NEVER: Final = math.inf
GRPC_UNITS: Final = {"H": 3_600_000.0, "M": 60_000.0, "S": 1000.0, "m": 1.0, "u": 1e-3, "n": 1e-6}
DEADLINE_EXCEEDED: Final = 4
HEDGE: Final = "x-envoy-hedge-on-per-try-timeout"
EXPECTED: Final = "x-envoy-expected-rq-timeout-ms"
GLOBAL: Final = "x-envoy-upstream-rq-timeout-ms"
PER_TRY: Final = "x-envoy-upstream-rq-per-try-timeout-ms"
CONSUMED: Final = frozenset({HEDGE, GLOBAL, PER_TRY})
"""Request headers that decide timeouts and go no further."""

STREAM_IDLE: Final = LocalReply(504, "stream_idle_timeout", "stream timeout", ("SI",))
MAX_DURATION: Final = LocalReply(
    504, "max_duration_timeout", "downstream duration timeout", grpc_status=DEADLINE_EXCEEDED
)
STREAM_IDLE_OPEN: Final = replace(STREAM_IDLE, status=408)
MAX_DURATION_OPEN: Final = replace(MAX_DURATION, status=408)
"""The same while the client's request is not complete (``maybeRequestTimeoutCode``)."""
MANAGERS_OWN: Final = frozenset({STREAM_IDLE.details, MAX_DURATION.details})
"""Answers of the connection manager, not of the router."""
UPSTREAM_MAX_DURATION: Final = LocalReply(
    504, "upstream_max_stream_duration_reached", "upstream max stream duration reached", ("UMSDR",)
)


@dataclass(slots=True)
class Timeouts:
    """One request's timeouts in ms, 0 for none; ``response_code`` is what a timeout answers."""

    global_ms: int = 0
    per_try_ms: int = 0
    per_try_idle_ms: int = 0
    hedge: bool = False
    response_code: int = 504
    max_stream_duration_ms: int | None = None
    """Of one attempt: x-envoy-upstream-stream-duration-ms, which replaces the cluster's (0: none)."""


def final_timeouts(
    forward: Forward,
    policy: RetryPolicy,
    headers: HeaderMap,
    *,
    grpc: bool,
    respect_expected: bool,
    envoy_headers: bool,
) -> Timeouts:
    """Decide the timeouts and write them into the request headers; the x-envoy-* headers that set them go.

    The connection manager has already removed those headers from requests that are not internal.
    ``policy`` is the route's own (a cluster's retry policy does not change per-try timeouts).
    """
    timeouts = Timeouts(
        per_try_ms=policy.per_try_timeout_ms,
        per_try_idle_ms=policy.per_try_idle_timeout_ms,
        hedge=forward.hedge_on_per_try_timeout,
    )
    if not forward.using_new_timeouts:
        legacy_grpc = is_legacy_grpc(forward, grpc=grpc)
        timeouts.global_ms = _legacy_grpc_ms(forward, headers) if legacy_grpc else route_timeout_ms(forward)
    if respect_expected or headers.has_any(CONSUMED):
        _take_timeout_headers(timeouts, headers, respect_expected=respect_expected)
    if timeouts.global_ms and timeouts.per_try_ms >= timeouts.global_ms:
        timeouts.per_try_ms = 0
    set_timeout_headers(0, timeouts, forward, headers, grpc=grpc, envoy_headers=envoy_headers)
    return timeouts


def set_timeout_headers(
    elapsed_ms: int, timeouts: Timeouts, forward: Forward, headers: HeaderMap, *, grpc: bool, envoy_headers: bool
) -> None:
    """Tell the upstream how long it has (``setTimeoutHeaders``); repeated for every retry."""
    expected = timeouts.per_try_ms
    if timeouts.hedge or not expected:
        expected = timeouts.global_ms
    if not expected:
        return
    if timeouts.global_ms:
        left = timeouts.global_ms - elapsed_ms
        expected = 1 if left <= 0 else min(expected, left)
    if envoy_headers:
        headers.set(EXPECTED, str(expected))
    if grpc and not forward.using_new_timeouts and forward.max_grpc_timeout_ms is not None:
        headers.set("grpc-timeout", format_grpc_timeout(expected))


def _take_timeout_headers(timeouts: Timeouts, headers: HeaderMap, *, respect_expected: bool) -> None:
    """Let the request's own x-envoy-* headers decide; malformed numbers do not count."""
    hedge = headers.get(HEDGE)
    if hedge is not None:
        headers.remove(HEDGE)
        timeouts.hedge = {"true": True, "false": False}.get(hedge, timeouts.hedge)
    expected = headers.get(EXPECTED) if respect_expected else None
    if expected is not None:
        timeouts.global_ms = _or(parse_uint(expected), timeouts.global_ms)
    else:
        asked = headers.get(GLOBAL)
        if asked is not None:
            timeouts.global_ms = _or(parse_uint(asked), timeouts.global_ms)
            headers.remove(GLOBAL)
    per_try = headers.get(PER_TRY)
    if per_try:
        timeouts.per_try_ms = _or(parse_uint(per_try), timeouts.per_try_ms)
        headers.remove(PER_TRY)


def is_legacy_grpc(forward: Forward, *, grpc: bool) -> bool:
    """Tell whether a gRPC request's own timeout counts in place of the route's (``max_grpc_timeout``)."""
    return grpc and forward.max_grpc_timeout_ms is not None and not forward.using_new_timeouts


def route_timeout_ms(forward: Forward) -> int:
    """Return the route's ``timeout`` or its default in ms, 0 for none."""
    return 15_000 if forward.timeout_ms is None else int(forward.timeout_ms)


def _legacy_grpc_ms(forward: Forward, headers: HeaderMap) -> int:
    timeout = parse_grpc_timeout(headers.get("grpc-timeout")) or 0
    offset, cap = forward.grpc_timeout_offset_ms, forward.max_grpc_timeout_ms or 0
    if offset is not None and offset < timeout:
        timeout -= int(offset)
    if cap and (timeout == 0 or timeout > cap):
        timeout = int(cap)
    return timeout


def is_grpc(content_type: str | None) -> bool:
    """Tell whether a content-type is gRPC's: ``application/grpc`` or ``application/grpc+...``."""
    if content_type is None or not content_type.startswith("application/grpc"):
        return False
    return content_type[16:17] in ("", "+")


def parse_grpc_timeout(text: str | None) -> int | None:
    """Read a grpc-timeout header in ms, rounded up; ``None`` where it is missing or malformed."""
    if not text:
        return None
    value, unit = text[:-1].strip(), GRPC_UNITS.get(text[-1])
    if unit is None or not value.isascii() or not value.isdigit() or int(value) > 99_999_999:
        return None
    return math.ceil(int(value) * unit - 1e-9)


def format_grpc_timeout(ms: int) -> str:
    """Write ms as a grpc-timeout header: at most 8 digits (``Grpc::Common::toGrpcTimeout``)."""
    for unit, factor in (("m", 1000), ("S", 60), ("M", 60), ("H", 1)):
        if ms <= 99_999_999 or unit == "H":
            return f"{ms}{unit}"
        ms //= factor
    raise AssertionError("hours end the loop")


def stream_idle_ms(stream: Stream, forward: Forward) -> float:
    """Return the stream's idle timeout: the route's where it has one (0: none), else the connection manager's."""
    idle = forward.idle_timeout_ms if forward.idle_timeout_ms is not None else stream.hcm.stream_idle_timeout_ms
    return idle or NEVER


def stream_deadline_ms(stream: Stream, forward: Forward, *, grpc: bool) -> float:
    """Return when the stream's maximal duration is over, and put a gRPC request's share into its header.

    ``max_stream_duration`` of the route replaces the connection manager's; with ``grpc_timeout_header_max``
    and a grpc-timeout header the header decides, capped and less the offset; it may be over at once.
    """
    duration: float | None
    asked = (
        parse_grpc_timeout(stream.headers.get("grpc-timeout"))
        if forward.grpc_timeout_header_max_ms is not None
        else None
    )
    if asked is None:
        duration = forward.max_stream_duration_ms
        if duration is None:
            duration = stream.hcm.max_stream_duration_ms or None
        if not duration:
            if grpc and forward.using_new_timeouts and stream.hcm.max_stream_duration_ms:
                stream.headers.remove("grpc-timeout")
            return NEVER
    else:
        cap, offset = forward.grpc_timeout_header_max_ms or 0, forward.grpc_timeout_header_offset_ms
        duration = min(asked, cap) if cap else asked
        if duration and offset:
            duration = max(0, duration - offset)
    if grpc and forward.using_new_timeouts:
        stream.headers.set("grpc-timeout", format_grpc_timeout(int(duration)))
    return stream.start_ms + duration


@dataclass(slots=True)
class StreamTimers:
    """The connection manager's timers of one stream: its maximal duration, and idleness since ``touch``."""

    over_ms: float
    idle_ms: float
    idle_due_ms: float
    complete: bool
    """The client's request is complete: 504; else a timeout is the client's own fault: 408."""

    @property
    def next_ms(self) -> float:
        """When the first of them fires."""
        return min(self.over_ms, self.idle_due_ms)

    def touch(self, now_ms: float) -> None:
        """Something went downstream: idleness starts anew."""
        self.idle_due_ms = now_ms + self.idle_ms

    def fired(self, now_ms: float) -> LocalReply | None:
        """Return the answer of the timer that has fired, if one has."""
        if self.over_ms <= now_ms:
            return MAX_DURATION if self.complete else MAX_DURATION_OPEN
        if self.idle_due_ms <= now_ms:
            return STREAM_IDLE if self.complete else STREAM_IDLE_OPEN
        return None

    def tell(self, stream: Stream, forward: Forward, reply: LocalReply) -> None:
        """Say which timer gave ``reply``, and where it is set."""
        if reply.details == STREAM_IDLE.details:
            own = forward.idle_timeout_ms is not None
            ref = forward.ref.at("idle_timeout") if own else stream.hcm.ref.at("stream_idle_timeout")
            stream.telling.step("timeouts", ref, "nothing happened on the stream for {} ms", round(self.idle_ms))
            return
        asked = forward.max_stream_duration_ms is not None or forward.grpc_timeout_header_max_ms is not None
        manager = stream.hcm.ref.at("common_http_protocol_options", "max_stream_duration")
        ref = forward.ref.at("max_stream_duration") if asked else manager
        lasts = round(self.over_ms - stream.start_ms)
        stream.telling.step("timeouts", ref, "the stream's {} ms (max_stream_duration) are over", lasts)


def timeout_reply(details: str, timeouts: Timeouts) -> LocalReply:
    """Return the answer to a global or per-try timeout (``onUpstreamTimeoutAbort``)."""
    body = "upstream request timeout" if timeouts.response_code == 504 else ""
    return LocalReply(timeouts.response_code, details, body, ("UT",))


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
