"""Decompression (``source/extensions/filters/http/decompressor/decompressor_filter.cc``): what it does to headers.

Bodies stay as they are given: nobody says what they are compressed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...model.reply import Response
from ...schema import Msg, any_type
from .base import FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

TYPE: Final = "envoy.extensions.filters.http.decompressor.v3.Decompressor"
ENCODINGS: Final[Mapping[str, str]] = {
    "envoy.extensions.compression.brotli.decompressor.v3.Brotli": "br",
    "envoy.extensions.compression.gzip.decompressor.v3.Gzip": "gzip",
    "envoy.extensions.compression.zstd.decompressor.v3.Zstd": "zstd",
}


@dataclass(frozen=True, slots=True)
class Direction:
    """Requests or responses."""

    enabled_key: str
    enabled_default: bool
    ignore_no_transform: bool

    def enabled(self, stream: Stream) -> bool:
        """Tell whether the runtime flag is on."""
        key = self.enabled_key
        return stream.proxy.runtime.boolean(key, self.enabled_default) if key else self.enabled_default


@dataclass(frozen=True, slots=True)
class Decompressor:
    """The compiled filter."""

    ref: Ref
    encoding: str
    request: Direction
    response: Direction
    advertise: bool

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Tell the upstream what it may send; decompress the request."""
        headers = stream.headers
        if self.advertise and self.response.enabled(stream):
            kept = [part.strip() for part in (headers.get("accept-encoding") or "").split(",") if part.strip()]
            kept = [part for part in kept if part.partition(";")[0].strip() != self.encoding]
            headers.set("accept-encoding", ",".join([*kept, self.encoding]))
        if stream.body and self._decompress(headers, self.request, stream):
            stream.telling.step("http filter", self.ref, "the request is decompressed: {}", self.encoding)
        return None

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Decompress the response."""
        if (response.body or response.trailers is not None) and self._decompress(
            response.headers, self.response, stream
        ):
            stream.telling.step("response", self.ref, "the response is decompressed: {}", self.encoding)
        return None

    def _decompress(self, headers: HeaderMap, direction: Direction, stream: Stream) -> bool:
        codings = (headers.get("content-encoding") or "").strip()
        first, comma, rest = codings.partition(",")
        if first.strip().lower() != self.encoding or not direction.enabled(stream):
            return False
        cache_control = (headers.get("cache-control") or "").lower().split(",")
        if not direction.ignore_no_transform and any(part.strip() == "no-transform" for part in cache_control):
            return False
        headers.remove("content-length")
        if comma:
            headers.set("content-encoding", rest.strip())
        else:
            headers.remove("content-encoding")
        return True


def compile_decompressor(msg: Msg, ref: Ref, proxy: Proxy) -> Decompressor:
    """Compile ``envoy.extensions.filters.http.decompressor.v3.Decompressor``."""
    library, request = msg.decompressor_library, msg.request_direction_config
    kind = any_type(library.typed_config)
    return Decompressor(
        ref,
        ENCODINGS.get(kind) or library.name.rpartition(".")[2] or kind,
        _direction(request.common_config),
        _direction(msg.response_direction_config.common_config),
        request.advertise_accept_encoding.value if request.HasField("advertise_accept_encoding") else True,
    )


def _direction(msg: Msg) -> Direction:
    flag = msg.enabled
    default = flag.default_value.value if flag.HasField("default_value") else True
    return Direction(flag.runtime_key, default, msg.ignore_no_transform_header)


MODULE: Final = FilterModule(TYPE, compile_decompressor)
