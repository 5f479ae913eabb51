"""Operators that read headers, trailers and the local reply (``http_specific_formatter.cc``)."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from .. import grpc
from .values import LOGGING, Extract, Value, response_code

if TYPE_CHECKING:
    from ...model.headers import HeaderMap
    from ...model.reply import Response
    from ..stream import Stream

DECODED: Final = frozenset(string.ascii_letters + string.digits + "!#$%&'()*+,-./:;=?@[]_`~")
_ESCAPE: Final = re.compile(r"%(?:([0-9A-Fa-f]{2})|(?=..))", re.S)  # a scanner of the protocol
UUID: Final = 36
STATUS: Final = len(":status200")
DATE: Final = len("dateWed, 25 Nov 2026 11:10:42 GMT")

Read = Callable[["Stream", "Response | None"], "HeaderMap | None"]
Make = Callable[[str, "int | None"], "Extract | None"]
"""Makes an operator from its argument and length; ``None`` for an argument Envoy refuses."""


def _request(stream: Stream, response: Response | None) -> HeaderMap | None:
    return stream.headers


def _response(stream: Stream, response: Response | None) -> HeaderMap | None:
    return response.headers if response is not None else None


def _trailers(stream: Stream, response: Response | None) -> HeaderMap | None:
    return response.trailers if response is not None else None


def _header(read: Read, *, query: bool = True) -> Make:
    """``%REQ(NAME?OTHER):LENGTH%`` and its kin; without ``query`` the value ends at its ``?``."""

    def named(name: str) -> str:
        return ":authority" if name == "host" and read is _request else name

    def make(argument: str, length: int | None) -> Extract | None:
        name, _, other = (named(text) for text in argument.lower().partition("?"))
        if not name or "?" in other:
            return None

        def extract(stream: Stream, response: Response | None, body: str) -> Value:
            headers = read(stream, response)
            if headers is None:
                return None
            value = _status(name, response) or headers.get(name)
            if value is None and other:
                value = headers.get(other)
            if value is not None and not query:
                value = value.partition("?")[0]
            return value if length is None or value is None else value[:length]

        return extract

    return make


def _status(name: str, response: Response | None) -> str | None:
    return str(response.status) if name == ":status" and response is not None else None


def _local_reply_body(argument: str, length: int | None) -> Extract | None:
    return lambda stream, response, body: body


def _access_log_type(argument: str, length: int | None) -> Extract | None:
    def extract(stream: Stream, response: Response | None, body: str) -> Value:
        if LOGGING not in stream.facts:
            return "NotSet"
        return "DownstreamEnd" if stream.protocol else "TcpConnectionEnd"

    return extract


def _grpc_status(default: str) -> Make:
    def make(argument: str, length: int | None) -> Extract | None:
        form = argument or default
        names = {"CAMEL_STRING": grpc.NAMES, "SNAKE_STRING": grpc.SNAKE_NAMES, "NUMBER": ()}.get(form)
        if names is None:
            return None

        def extract(stream: Stream, response: Response | None, body: str) -> Value:
            if not grpc.is_grpc_request(stream.headers):
                return None
            status = grpc.grpc_status(response, response_code(stream, response))
            if status is None:
                return None
            if form == "NUMBER":
                return status
            return names[status] if 0 <= status < len(names) else str(status)

        return extract

    return make


def _bytes(read: Read) -> Make:
    """Names and values, with the lengths of those that are not known here: request ids, the date of an answer."""

    def make(argument: str, length: int | None) -> Extract | None:
        def extract(stream: Stream, response: Response | None, body: str) -> Value:
            headers = read(stream, response)
            if headers is None:
                return 0
            size = sum(len(n) + (UUID if n == "x-request-id" and v == "*" else len(v)) for n, v in headers)
            if read is _response:
                size += STATUS + (DATE if LOGGING in stream.facts and "date" not in headers else 0)
            return size

        return extract

    return make


def _query_parameter(argument: str, length: int | None) -> Extract | None:
    def extract(stream: Stream, response: Response | None, body: str) -> Value:
        query = (stream.headers.get(":path") or "").partition("?")[2].partition("#")[0]
        for pair in query.split("&"):
            name, _, value = pair.partition("=")
            if query and _decode(name) == argument:
                return _decode(value)[:length]
        return None

    return extract if argument else None


def _query_parameters(argument: str, length: int | None) -> Extract | None:
    if argument not in ("", "ORIG", "DECODED"):
        return None

    def extract(stream: Stream, response: Response | None, body: str) -> Value:
        _, mark, query = (stream.headers.get(":path") or "").partition("?")
        if not mark:
            return None
        return (_decode_kept(query) if argument == "DECODED" else query)[:length]

    return extract


def _decode(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")


def _decode_kept(text: str) -> str:
    """Decode the characters that may stand in a query, as ``urlDecodeQueryParameter``; a lone ``%`` is lost."""

    def decoded(match: re.Match[str]) -> str:
        if match[1] is None:
            return ""
        char = chr(int(match[1], 16))
        return char if char in DECODED else match[0]

    return _ESCAPE.sub(decoded, text)


def _path(argument: str, length: int | None) -> Extract | None:
    query, _, which = argument.partition(":")
    if query not in ("", "WQ", "NQ") or which not in ("", "ORIG", "PATH", "ORIG_OR_PATH"):
        return None
    names = {"ORIG": ("x-envoy-original-path",), "PATH": (":path",)}.get(which, ("x-envoy-original-path", ":path"))

    def extract(stream: Stream, response: Response | None, body: str) -> Value:
        path = next(filter(None, map(stream.headers.get, names)), None)
        if path is None:
            return None
        return (path.partition("?")[0] if query == "NQ" else path)[:length]

    return extract


def _never(argument: str, length: int | None) -> Extract | None:
    return lambda stream, response, body: None


OPERATORS: Final[Mapping[str, Make]] = {
    "REQ": _header(_request),
    "REQUEST_HEADER": _header(_request),
    "STREAM_INFO_REQ": _header(_request),
    "REQ_WITHOUT_QUERY": _header(_request, query=False),
    "RESP": _header(_response),
    "RESPONSE_HEADER": _header(_response),
    "TRAILER": _header(_trailers),
    "RESPONSE_TRAILER": _header(_trailers),
    "LOCAL_REPLY_BODY": _local_reply_body,
    "ACCESS_LOG_TYPE": _access_log_type,
    "GRPC_STATUS": _grpc_status("CAMEL_STRING"),
    "GRPC_STATUS_NUMBER": _grpc_status("NUMBER"),
    "REQUEST_HEADERS_BYTES": _bytes(_request),
    "RESPONSE_HEADERS_BYTES": _bytes(_response),
    "RESPONSE_TRAILERS_BYTES": _bytes(_trailers),
    "QUERY_PARAM": _query_parameter,
    "QUERY_PARAMS": _query_parameters,
    "PATH": _path,
    "TRACE_ID": _never,
    "SPAN_ID": _never,
}
"""Operator -> how it is made. Without tracer there is no trace id."""
