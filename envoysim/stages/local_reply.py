"""Envoy's own answers: mappers, formats, and what gRPC clients get instead of a status.

Source: ``source/common/local_reply/local_reply.cc``, ``Utility::prepareLocalReply`` in ``http/utility.cc``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..model.headers import ResponseHeaderMap
from ..model.reply import LocalReply, Response
from ..schema import Msg
from .access_log_filter import compile_access_log_filter
from .data_source import inline_text
from .grpc import status_of_code
from .headers import HeaderMutations, compile_mutations
from .route import DirectResponse, Forward, Redirect
from .route_action import finalize_response, known_cluster
from .route_configuration import resolve_route
from .substitution_format import BodyFormat, compile_body_format
from .timeouts import is_grpc

if TYPE_CHECKING:
    from ..model.ref import Ref
    from .stream import Stream

TEXT: Final = "text/plain"


@dataclass(frozen=True, slots=True)
class Mapper:
    """A ResponseMapper: where ``matches``, it may replace body and status, add headers, and format the body."""

    ref: Ref
    matches: Callable[[Stream, Response], bool]
    status: int | None
    body: str | None
    headers: HeaderMutations | None
    body_format: BodyFormat | None


@dataclass(frozen=True, slots=True)
class LocalReplyConfig:
    """A compiled LocalReplyConfig; the first mapper that matches counts."""

    mappers: tuple[Mapper, ...] = ()
    body_format: BodyFormat | None = None


def compile_local_reply(msg: Msg, ref: Ref) -> LocalReplyConfig:
    """Compile ``local_reply_config``."""
    mappers = []
    for index, mapper in enumerate(msg.mappers):
        place = ref.at("mappers", index)
        override = mapper.HasField("body_format_override")
        mappers.append(
            Mapper(
                place,
                compile_access_log_filter(mapper.filter, place.at("filter")),
                mapper.status_code.value if mapper.HasField("status_code") else None,
                (inline_text(mapper.body) or "") if mapper.HasField("body") else None,
                compile_mutations(mapper.headers_to_add, (), place.at("headers_to_add"))
                if mapper.headers_to_add
                else None,
                compile_body_format(mapper.body_format_override, place.at("body_format_override"))
                if override
                else None,
            )
        )
    body_format = compile_body_format(msg.body_format, ref.at("body_format")) if msg.HasField("body_format") else None
    return LocalReplyConfig(tuple(mappers), body_format)


def make_local_response(stream: Stream, reply: LocalReply) -> Response:
    """Turn a LocalReply into the response that goes through the encoder filters."""
    stream.flag(*reply.flags)
    stream.details = reply.details
    response = _prepare(stream, reply)
    stream.flag(*reply.late_flags)
    return response


def _prepare(stream: Stream, reply: LocalReply) -> Response:
    if stream.route_stale:
        resolve_route(stream)
    headers = ResponseHeaderMap()
    response = Response(reply.status, headers, reply.body, local=True, details=reply.details, close=reply.close)
    action = stream.route.action if stream.route is not None else None
    stream.cluster = known_cluster(stream)
    if isinstance(action, Forward):
        finalize_response(stream, response)
    for name, value in reply.headers:
        headers.add(name, value)
    if isinstance(action, (Redirect, DirectResponse)) and reply.details == "direct_response":
        finalize_response(stream, response)
    declared = headers.get("content-type")
    stream.response_code = response.status
    content_type = _rewrite(stream, response)
    custom = headers.get("content-type") != declared
    if not reply.early and _is_grpc_request(stream):
        _as_grpc(stream, response, reply, content_type)
        return response
    if response.body:
        headers.set("content-length", str(len(response.body.encode())))
        if "content-type" not in headers or (response.body != reply.body and not custom):
            headers.set("content-type", content_type)
    else:
        headers.remove("content-length")
        headers.remove("content-type")
    if stream.request.method == "HEAD" or (response.status in (204, 304) and stream.protocol[:6] == "HTTP/1"):
        response.body = ""  # announced, never read
    return response


def _is_grpc_request(stream: Stream) -> bool:
    """Look at the request as it came: filters that change the content type change nothing here."""
    values = [value.strip() for name, value in stream.request.headers if name.lower() == "content-type"]
    return is_grpc(",".join(values))  # the header has one slot: lines are joined


def _rewrite(stream: Stream, response: Response) -> str:
    """Apply the first matching mapper and the format; return the content type of the body."""
    config = stream.hcm.local_replies
    body_format = config.body_format
    for mapper in config.mappers:
        if mapper.matches(stream, response):
            stream.telling.step("response", mapper.ref, "local reply mapper matches {}", response.status)
            if mapper.body is not None:
                response.body = mapper.body
            if mapper.headers is not None:
                mapper.headers.apply(response.headers, stream, response)
            if mapper.status is not None:
                response.status = stream.response_code = mapper.status
            body_format = mapper.body_format or body_format
            break
    if body_format is None:
        return TEXT
    response.body = body_format.format(stream, response, local_reply_body=response.body)
    return body_format.content_type


def _as_grpc(stream: Stream, response: Response, reply: LocalReply, content_type: str) -> None:
    """gRPC: the status is 200, the error stands in ``grpc-status``, the body in ``grpc-message``."""
    headers, body = response.headers, response.body
    status = reply.grpc_status if reply.grpc_status is not None else status_of_code(response.status)
    stream.facts["grpc_local_reply_status"] = response.status
    response.status = 200
    headers.set("content-type", "application/grpc")
    if not headers.get("grpc-status"):
        headers.set("grpc-status", str(status))
    if body and stream.request.method != "HEAD":
        if content_type == "application/json" and body.endswith("\n"):
            body = body[:-1]
        headers.set("grpc-message", percent_encode(body))
    headers.remove("content-length")
    response.body = ""


def percent_encode(text: str) -> str:
    """Encode for ``grpc-message``: printable ASCII but ``%`` stays (``Http::Utility::PercentEncoding``)."""
    return "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x25 else f"%{b:02X}" for b in text.encode())
