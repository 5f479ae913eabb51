"""Operators about time (``stream_info_formatter.cc``). The virtual clock starts at the Unix epoch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from .connection import plain
from .http import Make
from .values import Extract, Value

if TYPE_CHECKING:
    from ...model.reply import Response
    from ..stream import Stream

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SPECIFIER: Final = re.compile(r"%([1-9])?f|%s|%E([1-9*])?([Sf])|%3f")  # our own scanner, not a configuration regex


def format_time(ms: float, text: str) -> str:
    """Write a time as ``DateFormatter`` does: strftime with ``%Nf`` subseconds, ``%s`` epoch seconds, ``%ENS``."""
    moment = EPOCH + timedelta(milliseconds=ms)
    nanos = f"{round((ms % 1000) * 1_000_000):09d}"

    def replace(match: re.Match[str]) -> str:
        if match[0] == "%s":
            return str(int(ms // 1000))
        if match[3] is not None:
            digits = nanos.rstrip("0") if match[2] == "*" else nanos[: int(match[2] or 0)]
            return digits if match[3] == "f" else f"{moment:%S}" + (f".{digits}" if digits else "")
        return nanos[: int(match[1] or 9)]

    return moment.strftime(_SPECIFIER.sub(replace, text))


def _time(read: Callable[[Stream], float]) -> Make:
    def make(argument: str, length: int | None) -> Extract | None:
        text = argument or "%Y-%m-%dT%H:%M:%E3SZ"

        def extract(stream: Stream, response: Response | None, body: str) -> Value:
            return format_time(read(stream), text)

        return extract

    return make


def _duration(stream: Stream) -> Value:
    return int(stream.state.now_ms - stream.start_ms)


def _request_duration(stream: Stream) -> Value:
    return 0


def _response_duration(stream: Stream) -> Value:
    """Until the first byte of the upstream's answer; none where there was none."""
    if not stream.attempts or not stream.attempts[-1].result.isdigit():
        return None
    return int(stream.state.now_ms - stream.start_ms)


def _common_duration(argument: str, length: int | None) -> Extract | None:
    """``%COMMON_DURATION(START:END:PRECISION)%``: of the time points only the request's start and end are known."""
    parts = argument.split(":")
    if not 2 <= len(parts) <= 3:
        return None
    factor = {"ms": 1, "us": 1_000, "ns": 1_000_000}.get(parts[2] if len(parts) == 3 else "ms")
    if factor is None:
        return None
    start = ("DS_RX_BEG", "DS_CX_BEG", "DS_RX_END")
    end = ("DS_TX_END", "DS_TX_BEG", "US_RX_END", "US_RX_BEG", "US_RX_BODY_BEG")

    def extract(stream: Stream, response: Response | None, body: str) -> Value:
        if parts[0] in start and parts[1] in end:
            if parts[1].startswith("US") and not stream.attempts:
                return None
            return int((stream.state.now_ms - stream.start_ms) * factor)
        return 0 if parts[0] in start and parts[1] in start else None

    return extract


OPERATORS: Final[Mapping[str, Make]] = {
    "START_TIME": _time(lambda s: s.start_ms),
    "START_TIME_LOCAL": _time(lambda s: s.start_ms),
    "EMIT_TIME": _time(lambda s: s.state.now_ms),
    "EMIT_TIME_LOCAL": _time(lambda s: s.state.now_ms),
    "DURATION": plain(_duration),
    "REQUEST_DURATION": plain(_request_duration),
    "REQUEST_TX_DURATION": plain(lambda s: 0 if s.attempts else None),
    "RESPONSE_DURATION": plain(_response_duration),
    "RESPONSE_TX_DURATION": plain(lambda s: 0 if _response_duration(s) is not None else None),
    "DOWNSTREAM_HANDSHAKE_DURATION": plain(lambda s: 0 if s.connection.tls else None),
    "ROUNDTRIP_DURATION": plain(lambda s: None),
    "COMMON_DURATION": _common_duration,
    "UPSTREAM_CONNECTION_POOL_READY_DURATION": plain(lambda s: 0 if s.attempts else None),
}
