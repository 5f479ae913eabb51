"""Compression (``source/extensions/filters/http/compressor/compressor_filter.cc``): what it does to headers.

Bodies stay as they are: what they look like compressed is nobody's decision. Several compressors of one chain settle
together which of them compresses: the last one in the chain, which sees the response first, decides for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...match.header_matcher import parse_uint64
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...model.reply import Response
from ...schema import Msg, any_type
from .base import FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

PREFIX: Final = "envoy.extensions.filters.http.compressor.v3."
ENCODINGS: Final[Mapping[str, str]] = {
    "envoy.extensions.compression.brotli.compressor.v3.Brotli": "br",
    "envoy.extensions.compression.gzip.compressor.v3.Gzip": "gzip",
    "envoy.extensions.compression.zstd.compressor.v3.Zstd": "zstd",
}
KNOWN_ENCODINGS: Final = frozenset({"gzip", "br", "deflate", "compress", "zstd"})
DEFAULT_TYPES: Final = frozenset(
    """text/html text/plain text/css application/javascript application/x-javascript text/javascript text/x-javascript
    text/ecmascript text/js text/jscript text/x-js application/ecmascript application/x-json application/xml
    application/json image/svg+xml text/xml application/xhtml+xml application/grpc-web
    application/grpc-web+proto""".split()
)
DEFAULT_MIN_LENGTH: Final = 30
DECISION: Final = "compression"
"""``Stream.facts`` key: the encoding all compressors of the chain settled on."""
COMPRESSORS: Final = "compressors"
"""``Stream.facts`` key: the compressors that saw the request, in order."""


@dataclass(frozen=True, slots=True)
class Direction:
    """What request and response direction have in common."""

    enabled_key: str
    enabled_default: bool
    min_length: int
    content_types: frozenset[str]

    def enabled(self, stream: Stream) -> bool:
        """Tell whether the runtime flag is on."""
        key = self.enabled_key
        return stream.proxy.runtime.boolean(key, self.enabled_default) if key else self.enabled_default

    def long_enough(self, headers: HeaderMap) -> bool:
        """Look at ``content-length``; without one nothing is too short."""
        text = headers.get("content-length")
        if text is None:
            return True
        length = parse_uint64(text)
        return length is not None and length >= self.min_length

    def takes_type(self, headers: HeaderMap) -> bool:
        """Look at ``content-type``; without one everything is taken."""
        text = headers.get("content-type")
        return text is None or _bare_type(text) in self.content_types


@dataclass(frozen=True, slots=True)
class PerRoute:
    """A compiled ``CompressorPerRoute``; ``None`` where the filter's own setting stays."""

    enabled: bool | None
    remove_accept_encoding: bool | None
    encoding: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Compressor:
    """The compiled filter."""

    ref: Ref
    key: str
    encoding: str
    request: Direction | None
    response: Direction
    disable_on_etag: bool
    weaken_etag: bool
    remove_accept_encoding: bool
    status_header: bool
    uncompressible_codes: frozenset[int]
    choose_first: bool

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Remember what the client accepts; compress the request where configured so."""
        headers, facts = stream.headers, stream.facts
        facts[self.key] = headers.get("accept-encoding")
        compressors = facts.setdefault(COMPRESSORS, [])
        compressors.append(self)  # type: ignore[attr-defined]  # made here
        enabled, remove, encoding = self._settings(stream, overrides)
        if enabled and remove:
            headers.remove("accept-encoding")
        request = self.request
        if (
            request is not None
            and stream.body
            and request.enabled(stream)
            and "upgrade" not in headers
            and request.long_enough(headers)
            and request.takes_type(headers)
            and "content-encoding" not in headers
            and self._may_encode(headers, encoding)
        ):
            headers.remove("content-length")
            headers.set("content-encoding", encoding)
            stream.telling.step("http filter", self.ref, "the request is compressed: {}", encoding)
        return None

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Compress the response, and tell caches that it may be compressed."""
        headers = response.headers
        enabled, _, encoding = self._settings(stream, overrides)
        if (
            not enabled
            or "upgrade" in headers
            or _has_token(headers.get("cache-control"), "no-transform")
            or "content-encoding" in headers
        ):
            return None
        long_enough, reason = self.response.long_enough(headers), self._reason(response)
        compressible = long_enough and not reason
        has_body = bool(response.body) or response.cut or response.trailers is not None
        if self.status_header:
            if compressible:
                _insert_vary(headers)
            if not has_body or not self._may_encode(headers, encoding):
                return None
            reason = reason if long_enough else "ContentLengthTooSmall"
            if reason:
                headers.add("x-envoy-compression-status", f"{encoding};{reason}")
                return None
        accepted = has_body and long_enough and self._accepted(stream, headers, encoding)
        if accepted and compressible and self._may_encode(headers, encoding):
            self._compress(stream, headers, encoding)
        if compressible:
            _insert_vary(headers)
        return None

    def _settings(self, stream: Stream, overrides: tuple[object, ...]) -> tuple[bool, bool, str]:
        enabled, remove, encoding = self.response.enabled(stream), self.remove_accept_encoding, self.encoding
        if overrides:
            route = overrides[-1]
            assert isinstance(route, PerRoute)
            enabled = enabled if route.enabled is None else route.enabled
            remove = remove if route.remove_accept_encoding is None else route.remove_accept_encoding
            encoding = route.encoding or encoding
        return enabled, remove, encoding

    def _reason(self, response: Response) -> str:
        """Say why this response is never compressed, in the words of the status header; "" if it may be."""
        headers = response.headers
        if not self.response.takes_type(headers):
            return "ContentTypeNotAllowed"
        if self.disable_on_etag and not self.weaken_etag and "etag" in headers:
            return "EtagNotAllowed"
        return "StatusCodeNotAllowed" if response.status in self.uncompressible_codes else ""

    def _may_encode(self, headers: HeaderMap, encoding: str) -> bool:
        """A ``transfer-encoding`` that compresses already says no."""
        text = headers.get("transfer-encoding")
        if text is None:
            return True
        return not any(t in KNOWN_ENCODINGS or t == encoding for t in (p.strip().lower() for p in text.split(",")))

    def _accepted(self, stream: Stream, headers: HeaderMap, encoding: str) -> bool:
        accepts = stream.facts.get(self.key)
        if not isinstance(accepts, str):
            return False
        decision = stream.facts.get(DECISION)
        if decision is None:
            compressors = stream.facts.get(COMPRESSORS)
            assert isinstance(compressors, list)
            decision = stream.facts[DECISION] = choose_encoding(accepts, headers, compressors, self, encoding)
        return decision == encoding

    def _compress(self, stream: Stream, headers: HeaderMap, encoding: str) -> None:
        etag = headers.get("etag")
        if etag is not None and etag[:2].lower() != "w/":
            if self.weaken_etag:
                headers.set("etag", "W/" + etag)
            else:
                headers.remove("etag")
        length = headers.get("content-length") or ""
        headers.remove("content-length")
        headers.set("content-encoding", encoding)
        if self.status_header:
            headers.add("x-envoy-compression-status", f"{encoding};Compressed;OriginalLength={length}")
        stream.telling.step("response", self.ref, "the response is compressed: {}", encoding)


def choose_encoding(
    accepts: str, headers: HeaderMap, compressors: list[Compressor], asking: Compressor, encoding: str
) -> str:
    """Choose among what the client accepts and the chain offers (``chooseEncoding``); ``identity`` for none."""
    content_type = _bare_type(headers.get("content-type") or "")
    offered: dict[str, bool] = {}
    for compressor in compressors:
        if not content_type or content_type in compressor.response.content_types:
            name = encoding if compressor is asking else compressor.encoding
            offered.setdefault(name, compressor.choose_first)
    wanted: list[tuple[str, float]] = []
    for token in accepts.split(","):
        name, semicolon, params = token.partition(";")
        name, q = name.strip(), 1.0
        if not token:
            continue
        key, equals, value = params.partition("=")
        if semicolon and equals and key.strip().lower() == "q":
            try:
                q = float(value.strip())
            except ValueError:
                continue
        wanted.append((name, q))
        if not q:
            offered.pop(name, None)
    if not wanted or not offered:
        return "identity"
    best, best_q = "identity", 0.0
    for name, q in wanted:
        if (name in offered or name in ("identity", "*")) and (q > best_q or (q == best_q and offered.get(name))):
            best, best_q = name, q
    if not best_q:
        return "identity"
    return next(iter(offered)) if best == "*" else best


def _bare_type(text: str) -> str:
    return text.partition(";")[0].strip(" \t\n\v\f\r").lower()


def _has_token(value: str | None, token: str) -> bool:
    return value is not None and any(part.strip().lower() == token for part in value.split(","))


def _insert_vary(headers: HeaderMap) -> None:
    vary = headers.get("vary")
    if vary is None:
        headers.set("vary", "Accept-Encoding")
    elif not any(part.strip() == "Accept-Encoding" for part in vary.split(",")):
        headers.set("vary", f"{vary}, Accept-Encoding")


def compile_compressor(msg: Msg, ref: Ref, proxy: Proxy) -> Compressor:
    """Compile ``Compressor``; without ``response_direction_config`` its retired fields count."""
    response = msg.response_direction_config
    has_response = msg.HasField("response_direction_config")
    old = response if has_response else msg
    return Compressor(
        ref,
        f"accept-encoding:{ref.source}{ref}",
        _encoding(msg.compressor_library),
        _direction(msg.request_direction_config.common_config) if msg.HasField("request_direction_config") else None,
        _direction(response.common_config) if has_response else _old_direction(msg),
        old.disable_on_etag_header,
        response.weaken_etag_on_compress,
        old.remove_accept_encoding_header,
        response.status_header_enabled,
        frozenset(response.uncompressible_response_codes),
        msg.choose_first,
    )


def _encoding(library: Msg) -> str:
    kind = any_type(library.typed_config)
    return ENCODINGS.get(kind) or library.name.rpartition(".")[2] or kind


def _direction(msg: Msg) -> Direction:
    return _make_direction(msg.enabled, msg.HasField("enabled"), msg.min_content_length.value, msg.content_type)


def _old_direction(msg: Msg) -> Direction:
    return _make_direction(
        msg.runtime_enabled, msg.HasField("runtime_enabled"), msg.content_length.value, msg.content_type
    )


def _make_direction(flag: Msg, has_flag: bool, min_length: int, types: Msg) -> Direction:
    default = flag.default_value.value if has_flag and flag.HasField("default_value") else True
    accepted = frozenset(t.lower() for t in types) or DEFAULT_TYPES
    return Direction(flag.runtime_key, default, min_length or DEFAULT_MIN_LENGTH, accepted)


def compile_per_route(msg: Msg, ref: Ref, proxy: Proxy) -> PerRoute:
    """Compile ``CompressorPerRoute``: an empty ``response_direction_config`` switches compression on."""
    if msg.WhichOneof("override") == "disabled":
        return PerRoute(False, None, None)
    overrides = msg.overrides
    direction = overrides.response_direction_config
    has_direction = overrides.HasField("response_direction_config")
    remove = direction.remove_accept_encoding_header
    library = getattr(overrides, "compressor_library", None)
    return PerRoute(
        True if has_direction else None,
        remove.value if has_direction and direction.HasField("remove_accept_encoding_header") else None,
        _encoding(library) if library is not None and overrides.HasField("compressor_library") else None,
    )


MODULE: Final = FilterModule(
    PREFIX + "Compressor", compile_compressor, (PREFIX + "CompressorPerRoute",), compile_per_route
)
