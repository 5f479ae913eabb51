"""gRPC clients before HTTP/1.1 upstreams (``source/extensions/filters/http/grpc_http1_reverse_bridge/filter.cc``).

The upstream has to answer with the content type it was sent, else the client gets a gRPC error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...match.header_matcher import parse_uint64
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...model.reply import LocalReply, Response
from ...schema import Msg
from ..grpc import status_of_code
from ..timeouts import is_grpc
from .base import FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

PREFIX: Final = "envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3."
FRAME_HEADER: Final = 5
UNKNOWN: Final = 2
INTERNAL: Final = 13


@dataclass(frozen=True, slots=True)
class ReverseBridge:
    """The compiled filter."""

    ref: Ref
    key: str
    content_type: str
    withhold_frames: bool
    size_header: str

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Send gRPC requests with a body under the upstream's content type."""
        if not stream.body and not len(stream.trailers):
            return None
        if overrides and overrides[-1] is DISABLED:
            return None
        headers = stream.headers
        if not is_grpc(headers.get("content-type")):
            return None
        stream.facts[self.key] = headers.get("content-type")
        headers.set("content-type", self.content_type)
        headers.set("accept", self.content_type)
        stream.clear_route_cache()
        stream.telling.step("http filter", self.ref, "a gRPC request becomes `{}`", self.content_type)
        if self.withhold_frames:
            _add_to_length(headers, -FRAME_HEADER)
            if len(stream.body.encode()) < FRAME_HEADER:
                return LocalReply(200, "grpc_bridge_data_too_small", "invalid request body", grpc_status=UNKNOWN)
            stream.body = stream.body[FRAME_HEADER:]
        return None

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Make the answer a gRPC one."""
        original = stream.facts.get(self.key)
        if not isinstance(original, str):
            return None
        headers = response.headers
        content_type = headers.get("content-type")
        if (content_type or "") != self.content_type:
            return LocalReply(200, "grpc_bridge_content_type_wrong", _wrong_type(response), grpc_status=UNKNOWN)
        headers.set("content-type", original)
        headers_only = not response.body and response.trailers is None
        if self.withhold_frames:
            refused = self._set_length(headers)
            if refused is not None:
                return refused
        status = 0 if response.status == 200 else status_of_code(response.status)
        response.status = 200
        if headers_only and not self.withhold_frames:
            return None
        if headers_only:
            headers.set("content-length", str(FRAME_HEADER))
        trailers = response.trailers if response.trailers is not None else HeaderMap()
        trailers.set("grpc-status", str(status))
        response.trailers = trailers
        return None

    def _set_length(self, headers: HeaderMap) -> LocalReply | None:
        if not self.size_header:
            _add_to_length(headers, FRAME_HEADER)
            return None
        text = headers.get(self.size_header)
        length = parse_uint64(text.partition(",")[0]) if text is not None else None
        if length is None:
            message = "envoy reverse bridge: upstream did not set content length"
            return LocalReply(200, "grpc_bridge_content_length_missing", message, grpc_status=INTERNAL)
        headers.set("content-length", str(length + FRAME_HEADER))
        return None


class Disabled:
    """A route that switches the filter off."""


DISABLED: Final = Disabled()


def _wrong_type(response: Response) -> str:
    content_type = response.headers.get("content-type")
    what = "no content-type header" if content_type is None else f"unsupported content-type {content_type}"
    return f"envoy reverse bridge: upstream responded with {what}, status code {response.status}"


def _add_to_length(headers: HeaderMap, bytes_more: int) -> None:
    length = parse_uint64(headers.get("content-length") or "")
    if length:
        headers.set("content-length", str(length + bytes_more))


def compile_reverse_bridge(msg: Msg, ref: Ref, proxy: Proxy) -> ReverseBridge:
    """Compile ``FilterConfig``."""
    key = f"grpc_http1_reverse_bridge:{ref.source}{ref}"
    return ReverseBridge(ref, key, msg.content_type, msg.withhold_grpc_frames, msg.response_size_header.lower())


def compile_per_route(msg: Msg, ref: Ref, proxy: Proxy) -> object:
    """Compile ``FilterConfigPerRoute``."""
    return DISABLED if msg.disabled else None


MODULE: Final = FilterModule(
    PREFIX + "FilterConfig", compile_reverse_bridge, (PREFIX + "FilterConfigPerRoute",), compile_per_route
)
