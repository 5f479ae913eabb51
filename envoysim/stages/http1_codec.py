"""What the HTTP/1 codec makes of a request: what it refuses, drops and rewrites before anything else looks.

Source: ``source/common/http/http1/balsa_parser.cc`` (framing), ``codec_impl.cc`` (headers), ``header_utility.cc``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Final

from ..match.url import parse_url
from ..model.headers import HeaderMap
from ..model.reply import LocalReply
from .connection_header import is_upgrade, remove_tokens, sanitize_connection_header

if TYPE_CHECKING:
    from ..model.request import Request
    from .http_connection_manager import HttpConnectionManager
    from .stream import Stream

_METHODS: Final = """ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE
    MSEARCH NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE
    UNBIND UNLINK UNLOCK UNSUBSCRIBE"""
METHODS: Final = frozenset(_METHODS.split())
"""The methods the parser takes unless ``allow_custom_methods`` is set."""
FIRST_READ_KB: Final = 16
REASONS: Final = {
    400: "Bad Request",
    403: "Forbidden",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
}
OF_THE_HOP: Final = frozenset({"connection", "content-length", "transfer-encoding"})
# Scanners of the protocol itself, not of the configuration: RE2 has no part in them.
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z|~]+\Z")
_PATH: Final = re.compile(r"[/*][!-~]*\Z")
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[A-Za-z0-9!$%&'()*+,\-.:;=@\[\]_~]*(?:[/?][!-~]*)?\Z")
_CONNECT_TARGET: Final = re.compile(r"[A-Za-z0-9!$%&'()*+,\-.:;=@\[\]_~]*(?:[/?][!-~]*)?\Z")
_BAD_AUTHORITY: Final = re.compile(r"[^A-Za-z0-9!$%&'()*+,\-.:;=@\[\]_~]")
_BAD_CHARACTER: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def protocol_error(status: int, details: str) -> LocalReply:
    """``sendProtocolError``: the codec's reply, after which the connection is closed."""
    return LocalReply(status, details, REASONS[status], close=True, early=True)


def decode_http1(stream: Stream, request: Request) -> LocalReply | None:
    """Fill ``stream.headers``; a reply where the codec refuses the request."""
    hcm, method = stream.hcm, request.method
    target = request.path or (request.authority or "" if method == "CONNECT" else "")
    headers = HeaderMap([(":method", method)])
    framed, fits = _frame(hcm, method, target), _check_size(hcm, request, target)
    # The request line is read before the rest where the limit is beyond the first read.
    refused = (framed or fits) if hcm.max_request_headers_kb >= FIRST_READ_KB else (fits or framed)
    if framed is not None and fits is None and _has_bad_characters(request):
        return protocol_error(400, "http1.invalid_characters")  # noticed last, said first
    refused = refused or _read_headers(hcm, headers, request)
    if refused is not None:
        return refused
    refused = _check_hop(hcm, headers, method) if headers.has_any(OF_THE_HOP) else None
    refused = refused or _read_target(stream, headers, method, target)
    if refused is not None:
        return refused
    if stream.protocol == "HTTP/1.0":
        if not hcm.accept_http_10:
            return protocol_error(426, "low_version")
        if hcm.default_host_for_http_10 and ":authority" not in headers:
            headers.items.append((":authority", hcm.default_host_for_http_10))
    authority = headers.get(":authority")
    if authority and _BAD_AUTHORITY.search(authority):
        return protocol_error(400, "http.invalid_authority")
    if request.body and "content-length" not in headers and "transfer-encoding" not in headers:
        headers.items.append(("content-length", str(len(request.body.encode()))))
    stream.headers = headers
    return None


def _check_size(hcm: HttpConnectionManager, request: Request, target: str) -> LocalReply | None:
    """Limit the size of the request line and all header lines."""
    size = len(request.method) + len(target) + len(" HTTP/1.1\r\n\r\n ")
    if request.authority is not None:
        size += len(request.authority) + len("host: \r\n")
    size += sum(map(len, chain.from_iterable(request.headers))) + len(": \r\n") * len(request.headers)
    return protocol_error(431, "http1.headers_too_large") if size > hcm.max_request_headers_kb * 1024 else None


def _frame(hcm: HttpConnectionManager, method: str, target: str) -> LocalReply | None:
    """Check the request line."""
    if _BAD_CHARACTER.search(target):
        return protocol_error(400, "http1.invalid_characters")
    known = method in METHODS or (hcm.allow_custom_methods and method != "" and _TOKEN.match(method) is not None)
    valid = _PATH if target[:1] in ("/", "*") else _CONNECT_TARGET if method == "CONNECT" else _URL
    if not known or not target or valid.match(target) is None:
        return protocol_error(400, "http1.codec_error")
    return None


@lru_cache(4096)
def _lower_name(name: str) -> str | None:
    return name.lower() if _TOKEN.match(name) else None


def _has_bad_characters(request: Request) -> bool:
    return any(_BAD_CHARACTER.search(name) or _BAD_CHARACTER.search(value) for name, value in request.headers)


def _read_headers(hcm: HttpConnectionManager, headers: HeaderMap, request: Request) -> LocalReply | None:
    """Take the lines one by one. Framing errors anywhere come before the first error of a single line."""
    refused: LocalReply | None = None
    length: str | None = None
    limit = hcm.max_headers_count + 1  # the method is in already
    items, inline = headers.items, headers.inline
    seen: set[str] = set()
    lines = request.headers
    if request.authority is not None:
        lines = (("host", request.authority), *lines)
    for name, value in lines:
        if not (value.isprintable() and name.isprintable()) and (
            _BAD_CHARACTER.search(value) or _BAD_CHARACTER.search(name)
        ):
            return protocol_error(400, "http1.invalid_characters")
        lower = _lower_name(name)
        if lower is None:
            refused = refused or protocol_error(400, "http1.codec_error")
            continue
        value = value.strip(" \t\r\n")
        if lower == "content-length":
            if length is not None or not (value.isascii() and value.isdigit()):
                return protocol_error(400, "http1.codec_error")
            length = value
        elif lower == "host":
            lower = ":authority"
        if hcm.underscores != "ALLOW" and "_" in lower:
            if hcm.underscores == "REJECT_REQUEST":
                refused = refused or protocol_error(400, "http1.unexpected_underscore")
            continue
        if lower in inline:
            if lower in seen:
                headers.append(lower, value)
                continue
            seen.add(lower)
        items.append((lower, value))
        if len(items) > limit:
            refused = refused or protocol_error(431, "http1.too_many_headers")
    return refused


def _keeps_upgrade(hcm: HttpConnectionManager, headers: HeaderMap) -> bool:
    """Drop ``h2c`` and the upgrades that are to be ignored; tell whether one is left."""
    upgrade = headers.get("upgrade") or ""
    if upgrade.lower() == "h2c":
        headers.remove("upgrade")
        headers.remove("http2-settings")
        remove_tokens(headers, "connection", frozenset(("upgrade", "http2-settings")))
    elif hcm.ignored_upgrades:
        tokens = [t.strip() for t in upgrade.split(",") if t.strip()]
        kept = [t for t in tokens if not any(matcher.matches(t) for matcher in hcm.ignored_upgrades)]
        if kept:
            headers.set("upgrade", ",".join(kept))
        else:
            headers.remove("upgrade")
            remove_tokens(headers, "connection", frozenset(("upgrade",)))
    return is_upgrade(headers)


def _check_hop(hcm: HttpConnectionManager, headers: HeaderMap, method: str) -> LocalReply | None:
    """Look at what a request says of its connection and its body."""
    upgrade = is_upgrade(headers) and _keeps_upgrade(hcm, headers)
    refused = _check_body(hcm, headers, method)
    if refused is not None:
        return refused
    if not upgrade and method != "CONNECT" and "connection" in headers and not sanitize_connection_header(headers):
        return protocol_error(400, "http1.connection_header_rejected")
    return None


def _check_body(hcm: HttpConnectionManager, headers: HeaderMap, method: str) -> LocalReply | None:
    """Refuse bodies that two parties could read differently."""
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if method == "CONNECT" and length is not None:
        if length != "0":
            return protocol_error(400, "http1.body_disallowed")
        headers.remove("content-length")
        length = None
    if coding is None:
        return None
    if length is not None:
        if coding.lower() != "chunked" or not hcm.allow_chunked_length:
            return protocol_error(400, "http1.content_length_and_chunked_not_allowed")
        headers.remove("content-length")
    if coding.lower() != "chunked" or method == "CONNECT":
        return protocol_error(501, "http1.invalid_transfer_encoding")
    return None


def _read_target(stream: Stream, headers: HeaderMap, method: str, target: str) -> LocalReply | None:
    """``handlePath``: a relative path stays as it is; an absolute URL gives authority, scheme and path."""
    hcm = stream.hcm
    connect = method == "CONNECT"
    if not connect:
        relative = target[0] == "/" or (method == "OPTIONS" and target[0] == "*")
        if relative or not hcm.allow_absolute_url:
            headers.items.append((":path", target))
            return None
    url = parse_url(target, connect=connect)
    if url is None:
        return protocol_error(400, "http1.invalid_url")
    headers.set(":authority", url.authority)
    if connect:
        return None
    scheme = url.scheme.lower()
    if scheme not in ("http", "https"):
        return protocol_error(400, "http1.invalid_scheme")
    if scheme == "https" and not stream.connection.tls and hcm.validates_scheme:
        return protocol_error(403, "http1.https_url_on_plaintext_connection")
    headers.items += [(":scheme", scheme), (":path", url.rest or "/")]
    return None
