"""What the HTTP/2 codec makes of a request: where HTTP/1 answers with a status, a stream or its connection ends here.

Source: ``source/common/http/http2/codec_impl.cc``; the rules of messages are nghttp2's (``nghttp2_http.c``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..model.headers import HeaderMap
from ..model.reply import Aborted

if TYPE_CHECKING:
    from ..model.request import Request
    from .http_connection_manager import HttpConnectionManager
    from .stream import Stream

INVALID_HEADER: Final = "http2.invalid.header.field"
VIOLATION: Final = "http2.violation.of.messaging.rule"
UNDERSCORE: Final = "http2.unexpected_underscore"
TOO_MANY: Final = "http2.too_many_headers"
TOO_LARGE: Final = "http2.header_list_size_too_large"
REMOTE_RESET: Final = "http2.remote_reset"
LIMITS: Final = frozenset((UNDERSCORE, TOO_MANY, TOO_LARGE))
"""Refused by Envoy itself, which resets the stream; the rest nghttp2 refuses."""
FORBIDDEN: Final = frozenset(("connection", "upgrade", "keep-alive", "proxy-connection", "transfer-encoding"))
# Scanners of the protocol, not of the configuration.
_NAME: Final = re.compile(r":?[!#$%&'*+\-.0-9^_`a-z|~]+\Z")
_BAD_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BAD_PSEUDO: Final = {
    ":method": re.compile(r"[^!#$%&'*+\-.0-9A-Z^_`a-z|~]"),
    ":scheme": re.compile(r"[^A-Za-z0-9+\-.]"),
    ":path": re.compile(r"[\x00-\x20\x7f]"),
    ":authority": re.compile(r"[^A-Za-z0-9!$%&'()*+,\-.:;=\[\]_~]"),
}


def decode_http2(stream: Stream, request: Request) -> Aborted | None:
    """Fill ``stream.headers``; ``Aborted`` where the codec refuses the request."""
    hcm = stream.hcm
    headers = HeaderMap(_pseudo_headers(stream, request))
    cookies: list[str] = []
    details = _check_pseudo_headers(headers) or _read_lines(hcm, headers, request, cookies)
    if details is None:
        count, size = len(headers) + len(cookies), sum(len(n) + len(v) for n, v in headers.items)
        if size + sum(map(len, cookies)) > hcm.max_request_headers_kb * 1024:
            details = TOO_LARGE
        elif count > hcm.max_headers_count:
            details = TOO_MANY
        else:
            details = _check_message(headers, request)
    if details is not None:
        if details in LIMITS:
            return Aborted("reset", ("DR",), details)
        stays = hcm.http2_stream_errors or details == REMOTE_RESET
        return Aborted("reset" if stays else "eof", ("DPE",), details)
    if cookies:
        headers.items.append(("cookie", "; ".join(cookies)))
    protocol = headers.get(":protocol")
    if protocol and protocol != "bytestream" and request.method == "CONNECT":
        _extended_connect(headers, protocol)
    stream.headers = headers
    return None


def _pseudo_headers(stream: Stream, request: Request) -> list[tuple[str, str]]:
    pairs = [(":method", request.method)]
    if request.authority is not None:
        pairs.append((":authority", request.authority))
    if request.method != "CONNECT" or request.path:
        pairs.append((":scheme", request.scheme or ("https" if stream.connection.tls else "http")))
        pairs.append((":path", request.path))
    return pairs


def _check_pseudo_headers(headers: HeaderMap) -> str | None:
    """Pseudo-headers must have a value of legal characters."""
    for name, value in headers.items:
        if not value or _BAD_PSEUDO[name].search(value):
            return INVALID_HEADER
    return None


def _read_lines(hcm: HttpConnectionManager, headers: HeaderMap, request: Request, cookies: list[str]) -> str | None:
    """Take the lines one by one; illegal names and values and connection headers are refused."""
    hosts = lengths = 0
    for name, value in request.headers:
        lower = name.lower()
        if lower in FORBIDDEN or (lower == "te" and value.lower() != "trailers"):
            return INVALID_HEADER
        if lower == "content-length":
            lengths += 1
            if lengths > 1 or not (value.isascii() and value.isdigit()):
                return INVALID_HEADER
        elif lower == "host":
            hosts += 1
            if hosts > 1:
                return INVALID_HEADER
        elif lower == ":protocol" and not hcm.http2_allow_connect:
            return INVALID_HEADER
        if _NAME.match(lower) is None or (not value.isprintable() and _BAD_VALUE.search(value)):
            return INVALID_HEADER
        if hcm.underscores != "ALLOW" and "_" in lower:
            if hcm.underscores == "REJECT_REQUEST":
                return UNDERSCORE
            continue
        if lower == "cookie":
            cookies.append(value)
        elif lower != "host":
            headers.add(lower, value)
        elif ":authority" not in headers:
            headers.items.append((":authority", value))
    return None


def _check_message(headers: HeaderMap, request: Request) -> str | None:
    """A message must have what every request needs (``nghttp2_http_on_request_headers``), and the length it says."""
    if ":authority" not in headers:
        return VIOLATION
    path, connect = headers.get(":path"), request.method == "CONNECT"
    extended = ":protocol" in headers
    if connect and not extended:
        return None if path is None else VIOLATION
    if path is None or (extended and not connect):
        return VIOLATION
    asterisk = request.method == "OPTIONS" and path == "*"
    if headers.get(":scheme") in ("http", "https") and not (path.startswith("/") or asterisk):
        return VIOLATION
    length = headers.get("content-length")
    if length is None or int(length) == len(request.body.encode()):
        return None
    return REMOTE_RESET if request.body else VIOLATION


def _extended_connect(headers: HeaderMap, protocol: str) -> None:
    """An extended CONNECT becomes an upgrade of HTTP/1's kind (``transformUpgradeRequestFromH2toH1``)."""
    headers.set(":method", "GET")
    headers.set("upgrade", protocol)
    headers.set("connection", "upgrade")
    headers.remove(":protocol")
