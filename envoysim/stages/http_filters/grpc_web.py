"""gRPC-Web (``source/extensions/filters/http/grpc_web/grpc_web_filter.cc``): browsers' gRPC made into plain gRPC.

Only these four content types, letter by letter, are gRPC-Web. The route was chosen before: with the content type the
browser sent. An answer that is no gRPC becomes a gRPC error whose message is its body.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.behaviour import ECHO
from ...model.ref import Ref
from ...model.reply import LocalReply, Response
from ...schema import Msg
from ..grpc import status_of_code
from ..timeouts import is_grpc
from .base import FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

TYPE: Final = "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"
TEXT_TYPES: Final = frozenset({"application/grpc-web-text", "application/grpc-web-text+proto"})
PROTO_TYPES: Final = frozenset({"application/grpc-web", "application/grpc-web+proto"})
BAD_BASE64: Final = "Bad gRPC-web request, invalid base64 data."


@dataclass(frozen=True, slots=True)
class GrpcWeb:
    """The compiled filter; it has no configuration."""

    ref: Ref
    key: str

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Make a gRPC-Web request a gRPC one."""
        headers = stream.headers
        content_type = headers.get("content-type")
        if content_type not in TEXT_TYPES and content_type not in PROTO_TYPES:
            return None
        headers.remove("content-length")
        headers.set("content-type", "application/grpc")
        stream.facts[self.key] = headers.get("accept") in TEXT_TYPES
        headers.replace("te", "trailers")
        if "grpc-accept-encoding" not in headers:
            headers.set("grpc-accept-encoding", "identity")
        stream.telling.step("http filter", self.ref, "a gRPC-Web request: `{}` becomes application/grpc", content_type)
        if content_type in TEXT_TYPES and stream.body:
            return self._decode_body(stream)
        return None

    def _decode_body(self, stream: Stream) -> LocalReply | None:
        if len(stream.body) % 4:
            return LocalReply(400, "grpc_base_64_decode_failed_bad_size", BAD_BASE64)
        try:
            stream.body = base64.b64decode(stream.body, validate=True).decode("latin-1")
        except (binascii.Error, ValueError):
            return LocalReply(400, "grpc_base_64_decode_failed", BAD_BASE64)
        return None

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Make the answer a gRPC-Web one."""
        as_text = stream.facts.get(self.key)
        if as_text is None:
            return None
        headers = response.headers
        headers_only = not response.body and response.trailers is None and not response.cut
        is_answer = _is_grpc_answer(response, headers_only=headers_only)
        headers.remove("content-length")
        headers.set("content-type", "application/grpc-web-text+proto" if as_text else "application/grpc-web+proto")
        if headers_only:
            return None
        if not is_answer:
            headers.set("grpc-message", _percent_encode(response.body))
            headers.set("grpc-status", str(status_of_code(response.status)))
            headers.set("content-length", "0")
            response.body = ""
        elif response.trailers is not None:
            _trailers_into_body(response, as_text=bool(as_text))
        return None


def _is_grpc_answer(response: Response, *, headers_only: bool) -> bool:
    headers = response.headers
    if headers_only:
        return "grpc-status" in headers
    content_type = headers.get("content-type") or ""
    bare = content_type.partition(";")[0].rstrip().lower()
    return response.status == 200 and (is_grpc(content_type) or bare in PROTO_TYPES)


def _percent_encode(text: str) -> str:
    """Escape what a header cannot hold (``PercentEncoding::encode``); the upstream's echo is left as it is called."""
    if text == ECHO:
        return text
    return "".join(f"%{b:02X}" if b < 32 or b >= 126 or b == 37 else chr(b) for b in text.encode())


def _trailers_into_body(response: Response, *, as_text: bool) -> None:
    """Trailers are the last frame of the body."""
    assert response.trailers is not None
    lines = "".join(f"{name}:{value}\r\n" for name, value in response.trailers).encode()
    frame = b"\x80" + len(lines).to_bytes(4, "big") + lines
    response.body += base64.b64encode(frame).decode() if as_text else frame.decode("latin-1")
    response.trailers = None


def compile_grpc_web(msg: Msg, ref: Ref, proxy: Proxy) -> GrpcWeb:
    """Compile ``envoy.extensions.filters.http.grpc_web.v3.GrpcWeb``."""
    return GrpcWeb(ref, f"grpc_web:{ref.source}{ref}")


MODULE: Final = FilterModule(TYPE, compile_grpc_web)
