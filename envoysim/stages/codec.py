"""Reading a request off the wire: which codec reads it, and the stream it becomes.

Source: ``ConnectionManagerUtility::autoCreateCodec`` and ``ConnectionManagerImpl::onData``; the codecs themselves are
``http1_codec`` and ``http2_codec``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..model.headers import HeaderMap
from ..model.reply import Aborted, LocalReply
from .http1_codec import decode_http1, protocol_error
from .http2_codec import decode_http2
from .refusals import tell_dropped, tell_refusal, tell_wrong_bytes
from .stream import Stream

if TYPE_CHECKING:
    from ..model.request import Request
    from ..model.world import State, World
    from .http_connection_manager import HttpConnectionManager
    from .proxy import Proxy
    from .stream import DownstreamConnection, Telling

CODEC_ERROR: Final = "codec_error"
"""``Stream.facts`` key: the codec refused the request. The flag DPE comes after the reply (``handleCodecError``)."""
HTTP1_ERROR: Final = "http1.codec_error"


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
        trailers=HeaderMap([(n.lower(), v) for n, v in request.trailers] if request.trailers else ()),
        body=request.body,
        remote=connection.remote,
        start_ms=state.now_ms,
    )
    connection.requests += 1
    if 0 < hcm.max_requests_per_connection <= connection.requests:
        telling.step(
            "connection manager",
            hcm.ref.at("common_http_protocol_options", "max_requests_per_connection"),
            "request {} of the connection is its last",
            connection.requests,
        )
        connection.draining = True
    end: LocalReply | Aborted | None = _refuse_bytes(hcm, connection, protocol)
    if end is None:
        decode = decode_http2 if protocol in ("HTTP/2", "HTTP/3") else decode_http1
        end = decode(stream, request)
        if hcm.underscores == "DROP_HEADER":
            tell_dropped(telling, hcm, request)
        if end is None:
            return stream, None
        tell_refusal(telling, hcm, end.details or "", request)
    else:
        tell_wrong_bytes(telling, hcm, connection)
    stream.details = end.details
    stream.facts[CODEC_ERROR] = True
    return stream, end


def _refuse_bytes(
    hcm: HttpConnectionManager, connection: DownstreamConnection, speaks: str
) -> LocalReply | Aborted | None:
    """End a connection whose client speaks something else than its codec."""
    wants_http2 = hcm.codec_type == "HTTP2" or (hcm.codec_type == "AUTO" and connection.alpn == "h2")
    wants_http1 = hcm.codec_type == "HTTP1" or (hcm.codec_type == "AUTO" and connection.alpn not in ("", "h2"))
    if connection.client_tls and not connection.tls:
        return Aborted("tls", ("DPE",), None if wants_http2 else HTTP1_ERROR)
    if speaks == "TCP":
        return protocol_error(400, HTTP1_ERROR)
    if speaks == "HTTP/2":
        return Aborted("eof", ("DPE",), HTTP1_ERROR) if wants_http1 else None
    return Aborted("eof", ("DPE",), None) if wants_http2 and speaks != "HTTP/3" else None
