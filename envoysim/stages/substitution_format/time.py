"""Operators about time (``stream_info_formatter.cc``). The virtual clock starts at the Unix epoch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from .connection import plain
from .http import Make
from .upstream import connected
from .values import LOGGING, Extract, Value

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


def _time(read: Callable[[Stream], float], zone: str = "Z") -> Make:
    def make(argument: str, length: int | None) -> Extract | None:
        text = argument or f"%Y-%m-%dT%H:%M:%E3S{zone}"

        def extract(stream: Stream, response: Response | None, body: str) -> Value:
            return format_time(read(stream), text)

        return extract

    return make


def _duration(stream: Stream) -> Value:
    return int(stream.state.now_ms - stream.start_ms)


def _request_duration(stream: Stream) -> Value:
    return 0 if _received(stream) else None


def _received(stream: Stream) -> bool:
    """Whether there was a request and it came to its end: one that the codec refuses does not."""
    return bool(stream.protocol) and "codec_error" not in stream.facts


def _request_tx_duration(stream: Stream) -> Value:
    """Until the last attempt had the whole request."""
    return int(stream.attempts[-1].at_ms - stream.start_ms) if connected(stream) else None


def _response_duration(stream: Stream) -> Value:
    """Until the first byte of the upstream's answer; none where there was none."""
    if not stream.attempts or not stream.attempts[-1].result.isdigit():
        return None
    return int(stream.state.now_ms - stream.start_ms)


def _point(stream: Stream, response: Response | None, name: str) -> float | None:
    """Return a time point; what happens within a connection takes no virtual time."""
    if name in ("DS_CX_BEG", "DS_RX_BEG", "DS_RX_END"):
        return stream.start_ms if name != "DS_RX_END" or _received(stream) else None
    if name in ("DS_TX_BEG", "DS_TX_END"):
        sent = response is not None and not (name == "DS_TX_END" and response.cut)
        return stream.state.now_ms if sent and LOGGING in stream.facts else None
    attempt = stream.attempts[-1] if stream.attempts else None
    if attempt is None or not name.startswith("US_"):
        return None
    if name.startswith("US_RX"):
        return stream.state.now_ms if attempt.result.isdigit() else None
    return attempt.at_ms


def _common_duration(argument: str, length: int | None) -> Extract | None:
    """``%COMMON_DURATION(START:END:PRECISION)%``."""
    parts = argument.split(":")
    factor = {"ms": 1, "us": 1_000, "ns": 1_000_000}.get(parts[2] if len(parts) == 3 else "ms")
    if factor is None or not 2 <= len(parts) <= 3:
        return None

    def extract(stream: Stream, response: Response | None, body: str) -> Value:
        start, end = _point(stream, response, parts[0]), _point(stream, response, parts[1])
        return None if start is None or end is None or end < start else int((end - start) * factor)

    return extract


def _response_tx_duration(argument: str, length: int | None) -> Extract | None:
    def extract(stream: Stream, response: Response | None, body: str) -> Value:
        whole = LOGGING in stream.facts and response is not None and not response.cut
        return 0 if whole and _response_duration(stream) is not None else None

    return None if argument else extract


OPERATORS: Final[Mapping[str, Make]] = {
    "START_TIME": _time(lambda s: s.start_ms),
    "START_TIME_LOCAL": _time(lambda s: s.start_ms, "%z"),
    "EMIT_TIME": _time(lambda s: s.state.now_ms),
    "EMIT_TIME_LOCAL": _time(lambda s: s.state.now_ms, "%z"),
    "DURATION": plain(_duration),
    "REQUEST_DURATION": plain(_request_duration),
    "REQUEST_TX_DURATION": plain(_request_tx_duration),
    "RESPONSE_DURATION": plain(_response_duration),
    "RESPONSE_TX_DURATION": _response_tx_duration,
    "DOWNSTREAM_HANDSHAKE_DURATION": plain(lambda s: 0 if s.connection.tls else None),
    "ROUNDTRIP_DURATION": plain(lambda s: None),
    "COMMON_DURATION": _common_duration,
    "UPSTREAM_CONNECTION_POOL_READY_DURATION": plain(lambda s: 0 if s.attempts else None),
}
