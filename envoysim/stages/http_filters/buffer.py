"""Buffering of whole requests (``source/extensions/filters/http/buffer/buffer_filter.cc``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...model.reply import LocalReply
from ...schema import Msg
from .base import BODY_READ, DecoderOnly, FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

PREFIX: Final = "envoy.extensions.filters.http.buffer.v3."
FRAME: Final = 16384
"""Bytes of a full HTTP/2 DATA frame."""
TOO_LARGE: Final = LocalReply(413, "request_payload_too_large", "Payload Too Large")


MAX_FRAME: Final = 16_384
"""A body that ends in its first DATA frame is never buffered, whatever its size (docs/lab_notes/buffer_http2.md)."""


@dataclass(frozen=True, slots=True)
class Buffer(DecoderOnly):
    """A compiled ``Buffer``: the filter's own, or a route's."""

    ref: Ref
    max_request_bytes: int
    disabled: bool = False
    per_route: bool = False

    @property
    def limit_ref(self) -> Ref:
        """Where the limit is set."""
        return self.ref.at("buffer", "max_request_bytes") if self.per_route else self.ref.at("max_request_bytes")

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Refuse bodies over the limit; give the others a ``content-length``. Requests without body just pass."""
        if not stream.body and not len(stream.trailers):
            return None
        settings = overrides[-1] if overrides else self
        assert isinstance(settings, Buffer)
        if settings.disabled:
            return None
        size = len(stream.body.encode())
        whole = stream.protocol == "HTTP/2" and size <= MAX_FRAME and not len(stream.trailers)
        if size > settings.max_request_bytes and not whole:
            at, words = settings.limit_ref, "body of {} bytes, max_request_bytes is {}: 413"
            stream.telling.step("http filter", at, words, size, settings.max_request_bytes)
            return TOO_LARGE
        if "content-length" not in stream.headers:
            stream.headers.set("content-length", str(size))
        stream.facts[BODY_READ] = True
        return None


def _kept(size: int, protocol: str) -> int:
    """Return how much of a body is kept back: what comes with the stream's end passes.

    HTTP/1 bodies end with an event of their own, HTTP/2 and HTTP/3 ones with their last frame.
    """
    return size if protocol.startswith("HTTP/1") else max(0, size - 1) // FRAME * FRAME


def compile_buffer(msg: Msg, ref: Ref, proxy: Proxy) -> Buffer:
    """Compile ``Buffer``."""
    return Buffer(ref, msg.max_request_bytes.value)


def compile_per_route(msg: Msg, ref: Ref, proxy: Proxy) -> Buffer:
    """Compile ``BufferPerRoute``."""
    return Buffer(ref, msg.buffer.max_request_bytes.value, msg.disabled, per_route=True)


MODULE: Final = FilterModule(PREFIX + "Buffer", compile_buffer, (PREFIX + "BufferPerRoute",), compile_per_route)
