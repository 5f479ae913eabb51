"""Reading the request off the wire: what Envoy's codecs refuse, drop and rewrite before anything else looks.

Source: ``source/common/http/http1/codec_impl.cc`` (balsa parser), ``http2/codec_impl.cc``, ``header_utility.cc``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..model.headers import HeaderMap
from ..model.reply import Aborted, LocalReply
from .connection_header import sanitize_connection_header
from .forwarded import is_upgrade
from .stream import Stream

if TYPE_CHECKING:
    from ..model.request import Request
    from ..model.world import State, World
    from .http_connection_manager import HttpConnectionManager
    from .proxy import Proxy
    from .stream import DownstreamConnection, Telling

# Methods the HTTP/1 parser knows (quiche's balsa with http_parser's list); any other is a codec error.
METHODS: Final = frozenset(
    """DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND
    UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK
    UNLINK SOURCE""".split()
)
REASONS: Final = {400: "Bad Request", 426: "Upgrade Required", 431: "Request Header Fields Too Large", 501: "Not Implemented"}
CODEC_ERROR: Final = "codec_error"
"""``Stream.facts`` key: the codec refused the request. The flag DPE comes after the reply (``handleCodecError``)."""
_BAD_TARGET: Final = re.compile(r"[\x00-\x20\x7f]")  # not a configuration regex
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]+)([/?#].*)?\Z", re.S)
_HOST_PORT: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]@/]+)(:\d{1,5})\Z")
_BAD_AUTHORITY: Final = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:@\[\]%]")
_BAD_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_H2_FORBIDDEN: Final = frozenset(("connection", "upgrade", "keep-alive", "proxy-connection", "transfer-encoding"))
_INVALID_H2: Final = Aborted("eof", ("DPE",), "http2.invalid.header.field")


def decode_request(
    hcm: HttpConnectionManager,
    connection: DownstreamConnection,
    request: Request,
    proxy: Proxy,
    world: World,
    state: State,
    telling: Telling,
) -> tuple[Stream, LocalReply | Aborted | None]:
    """Make the Stream of a request; the second value ends it where the codec refuses it."""
    protocol = connection.speaks
    stream = Stream(
        proxy=proxy,
        world=world,
        state=state,
        telling=telling,
        request=request,
        connection=connection,
        hcm=hcm,
        protocol="HTTP/1.1" if protocol == "TCP" else protocol,
        headers=HeaderMap(),
        trailers=HeaderMap((n.lower(), v) for n, v in request.trailers),
        body=request.body,
        remote=connection.remote,
        start_ms=state.now_ms,
    )
    end = _refuse_bytes(hcm, connection, protocol)
    if end is None:
        end = _decode_h2(stream, request) if protocol in ("HTTP/2", "HTTP/3") else _decode_h1(stream, request)
    if end is None:
        return stream, None
    stream.details = end.details
    stream.facts[CODEC_ERROR] = True
    stream.headers = HeaderMap()
    telling.step("connection manager", hcm.ref, "the codec refuses the request: {}", end.details)
    return stream, end


def _refuse_bytes(hcm: HttpConnectionManager, connection: DownstreamConnection, protocol: str) -> LocalReply | Aborted | None:
    """The client speaks something else than the codec that was chosen for the connection."""
    if connection.client_tls and not connection.tls:
        return Aborted("tls", ("DPE",), "http1.codec_error")
    if protocol == "TCP":
        return _error(400, "http1.codec_error")
    is_h2 = protocol == "HTTP/2"
    if hcm.codec_type == "HTTP1" and is_h2:
        return _error(400, "http1.codec_error")
    if hcm.codec_type == "HTTP2" and not is_h2:
        return Aborted("eof", ("DPE",), None)
    if hcm.codec_type == "AUTO" and connection.alpn:
        if connection.alpn == "h2" and not is_h2:
            return Aborted("eof", ("DPE",), None)
        if connection.alpn != "h2" and is_h2:
            return _error(400, "http1.codec_error")
    return None


def _error(status: int, details: str) -> LocalReply:
    """``sendProtocolError``: the reply of the HTTP/1 codec, after which the connection is closed."""
    return LocalReply(status, details, REASONS[status], close=True)


def _decode_h1(stream: Stream, request: Request) -> LocalReply | None:
    hcm = stream.hcm
    headers = HeaderMap()
    if request.authority is not None:
        headers.items.append((":authority", request.authority))
    size = len(request.method) + len(request.path) + 12 + (len(request.authority) + 8 if request.authority else 0)
    size += sum(len(n) + len(v) + 4 for n, v in request.headers)
    if size > hcm.max_request_headers_kb * 1024:
        return _error(431, "http1.headers_too_large")
    target = request.path
    if request.method == "CONNECT" and not target:
        target = request.authority or ""
    if request.method not in METHODS or not target or _BAD_TARGET.search(target):
        return _error(400, "http1.codec_error")
    refused = _copy_headers(stream, headers, request)
    if refused is not None:
        return refused
    upgrade = is_upgrade(headers)
    if "connection" in headers:
        stream.facts["connection_header"] = headers.get("connection")
    if not upgrade and "connection" in headers and not sanitize_connection_header(headers):
        return _error(400, "http1.connection_header_rejected")
    refused = _handle_path(stream, headers, request.method, target)
    if refused is not None:
        return refused
    headers.items.insert(0, (":method", request.method))
    if stream.protocol == "HTTP/1.0":
        if not hcm.accept_http_10:
            return _error(426, "low_version")
        if ":authority" not in headers and hcm.default_host_for_http_10:
            headers.set(":authority", hcm.default_host_for_http_10)
    authority = headers.get(":authority")
    if authority is not None and _BAD_AUTHORITY.search(authority):
        return _error(400, "http.invalid_authority")
    stream.headers = headers
    if request.body and "content-length" not in headers and "transfer-encoding" not in headers:
        headers.items.append(("content-length", str(len(request.body.encode()))))
    return None


def _copy_headers(stream: Stream, headers: HeaderMap, request: Request) -> LocalReply | None:
    """Take the headers one by one, as the parser does; the first bad one ends it."""
    hcm = stream.hcm
    count = len(headers)
    for name, value in request.headers:
        lower = name.lower()
        count += 1
        if "_" in lower and hcm.underscores != "ALLOW":
            if hcm.underscores == "REJECT_REQUEST":
                return _error(400, "http1.unexpected_underscore")
            continue
        if _BAD_VALUE.search(value):
            return _error(400, "http1.invalid_characters" if "\0" not in value else "http1.codec_error")
        if count > hcm.max_headers_count:
            return _error(431, "http1.too_many_headers")
        if lower == "host":
            headers.set(":authority", value)
        else:
            headers.add(lower, value.strip(" \t"))
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked":
            return _error(501, "http1.invalid_transfer_encoding")
        if length is not None:
            return _error(400, "http1.content_length_and_chunked_not_allowed")
    if length is not None and not length.isdigit():
        return _error(400, "http1.codec_error")
    return None


def _handle_path(stream: Stream, headers: HeaderMap, method: str, target: str) -> LocalReply | None:
    """``handlePath``: a relative path as it is; an absolute URL gives host, scheme and path."""
    if method != "CONNECT":
        if target[0] == "/" or (method == "OPTIONS" and target[0] == "*"):
            headers.items.append((":path", target))
            return None
        if not stream.hcm.allow_absolute_url:
            headers.items.append((":path", target))
            return None
    else:
        if _HOST_PORT.match(target) is None:
            return _error(400, "http1.invalid_url")
        headers.set(":authority", target)
        return None
    url = _URL.match(target)
    if url is None or "@" in url[2]:
        return _error(400, "http1.invalid_url")
    scheme = url[1].lower()
    headers.set(":authority", url[2])
    headers.items.append((":scheme", scheme))
    if scheme not in ("http", "https"):
        return _error(400, "http1.invalid_scheme")
    path = (url[3] or "/").split("#")[0]
    headers.items.append((":path", path if path.startswith("/") else "/" + path))
    return None


def _decode_h2(stream: Stream, request: Request) -> LocalReply | Aborted | None:
    """HTTP/2: what HTTP/1 answers with a status is a stream reset here; cookies are joined."""
    hcm = stream.hcm
    tls = stream.connection.tls
    headers = HeaderMap([(":method", request.method)])
    if request.authority is not None:
        headers.items.append((":authority", request.authority))
    if not (request.method == "CONNECT" and not request.path):
        headers.items.append((":scheme", request.scheme or ("https" if tls else "http")))
        headers.items.append((":path", request.path))
    cookies: list[str] = []
    count = len(headers)
    for name, value in request.headers:
        lower = name.lower()
        count += 1
        if "_" in lower and hcm.underscores != "ALLOW":
            if hcm.underscores == "REJECT_REQUEST":
                return Aborted("reset", ("DPE",), "http2.unexpected_underscore")
            continue
        if lower in _H2_FORBIDDEN or (lower == "te" and value.lower() != "trailers") or _BAD_VALUE.search(value):
            return _INVALID_H2
        if lower == "cookie":
            cookies.append(value)
        elif lower == "host":
            if request.authority is None:
                headers.set(":authority", value)
        elif lower == ":protocol":
            headers.items.append((lower, value))
        else:
            headers.add(lower, value)
    if cookies:
        headers.items.append(("cookie", "; ".join(cookies)))
    if count > hcm.max_headers_count:
        return Aborted("reset", ("DPE",), "http2.too_many_headers")
    size = sum(len(n) + len(v) for n, v in headers.items)
    if size > hcm.max_request_headers_kb * 1024:
        return Aborted("reset", ("DPE",), "http2.too_many_headers")
    if request.method == "CONNECT" and ":protocol" in headers:
        _extended_connect(headers)
    stream.headers = headers
    return None


def _extended_connect(headers: HeaderMap) -> None:
    """An extended CONNECT becomes an HTTP/1 style upgrade (``transformUpgradeRequestFromH2toH1``)."""
    protocol = headers.get(":protocol") or ""
    if protocol.lower() in ("bytestream", "connect-udp") or not protocol:
        return
    headers.set(":method", "GET")
    headers.set("upgrade", protocol)
    headers.set("connection", "upgrade")
    headers.remove(":protocol")
