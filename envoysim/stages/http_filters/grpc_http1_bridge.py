"""gRPC for HTTP/1.1 clients (``source/extensions/filters/http/grpc_http1_bridge/http1_bridge_filter.cc``).

The upstream's ``grpc-status`` trailer becomes a header, and any status but 0 a 503.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...match.header_matcher import parse_uint64
from ...model.behaviour import ECHO
from ...model.ref import Ref
from ...model.reply import Response
from ...schema import Msg
from ..timeouts import is_grpc
from .base import FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

TYPE: Final = "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config"
PROTOBUF: Final = "application/x-protobuf"


@dataclass(frozen=True, slots=True)
class GrpcHttp1Bridge:
    """The compiled filter."""

    ref: Ref
    key: str
    upgrade_protobuf: bool
    ignore_query_parameters: bool

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Note gRPC requests over HTTP/1, and make protobuf ones gRPC where configured so."""
        headers = stream.headers
        if self.upgrade_protobuf and headers.get("content-type") == PROTOBUF and ":path" in headers:
            headers.set("content-type", "application/grpc")
            headers.remove("content-length")
            stream.clear_route_cache()
            stream.telling.step("http filter", self.ref, "a protobuf request becomes a gRPC one")
        if not stream.protocol.startswith("HTTP/1") or not is_grpc(headers.get("content-type")):
            return None
        stream.facts[self.key] = True
        path = headers.get(":path") or ""
        if self.ignore_query_parameters and "?" in path:
            headers.set(":path", path.partition("?")[0])
        stream.telling.step("http filter", self.ref, "a gRPC request over {} is bridged", stream.protocol)
        return None

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Move the trailers' status into the headers."""
        trailers, headers = response.trailers, response.headers
        if trailers is None or self.key not in stream.facts:
            return None
        status = trailers.get("grpc-status")
        if status is not None:
            if parse_uint64(status) != 0:
                response.status = 503
            headers.set("grpc-status", status)
        message = trailers.get("grpc-message")
        if message is not None:
            headers.set("grpc-message", message)
        headers.set("content-length", "*" if response.body == ECHO else str(len(response.body.encode())))
        return None


def compile_bridge(msg: Msg, ref: Ref, proxy: Proxy) -> GrpcHttp1Bridge:
    """Compile ``envoy.extensions.filters.http.grpc_http1_bridge.v3.Config``."""
    key = f"grpc_http1_bridge:{ref.source}{ref}"
    return GrpcHttp1Bridge(ref, key, msg.upgrade_protobuf_to_grpc, msg.ignore_query_parameters)


MODULE: Final = FilterModule(TYPE, compile_bridge)
