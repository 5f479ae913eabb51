"""Listener filters: what the first bytes tell about addresses, SNI and ALPN, before a filter chain is chosen.

Source: ``source/extensions/filters/listener`` and ``ActiveTcpSocket`` in ``source/common/listener_manager``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, TypeAlias

from ..lazy_dataclass import dataclass
from ..load.retired import type_of_name
from ..model.address import parse_address
from ..model.reply import Aborted
from ..schema import Msg, any_type, duration_ms, unpack
from .token_bucket import TokenBucket

if TYPE_CHECKING:
    from ..model.ref import Ref
    from ..model.request import Request
    from ..model.world import State
    from .listener import Listener
    from .proxy import Proxy
    from .stream import DownstreamConnection, Telling

STAGE: Final = "listener filters"
PREFIX: Final = "envoy.extensions.filters.listener."
ISTIO_SET_ADDRESS: Final = "istio.set_internal_dst_address.v1.Config"


class ListenerFilter(Protocol):
    """A compiled listener filter."""

    reads: ClassVar[bool]
    """It waits for the client's bytes."""

    def accept(
        self, connection: DownstreamConnection, request: Request, state: State, telling: Telling
    ) -> Aborted | None:
        """Look at the connection (``onAccept``, ``onData``); ``None`` lets it go on."""


Predicate: TypeAlias = Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class Unless:
    """A filter that ``filter_disabled`` leaves out for some destination ports."""

    ref: Ref
    inner: ListenerFilter
    disabled: Predicate
    reads: ClassVar[bool] = False

    def accept(
        self, connection: DownstreamConnection, request: Request, state: State, telling: Telling
    ) -> Aborted | None:
        """Say that the filter is left out."""
        telling.step(STAGE, self.ref, "disabled for destination port {}", connection.local.port)
        return None


@dataclass(frozen=True, slots=True)
class OriginalDst:
    """``original_dst``: the destination from before redirection (SO_ORIGINAL_DST), where there was one."""

    ref: Ref
    reads: ClassVar[bool] = False

    def accept(
        self, connection: DownstreamConnection, request: Request, state: State, telling: Telling
    ) -> Aborted | None:
        """Restore the destination."""
        original = request.connection.original_destination
        if original is None or (destination := parse_address(original)) == connection.local:
            return None
        connection.local = destination
        connection.restored = True
        telling.step(STAGE, self.ref, "original_dst restores the destination {}", connection.local)
        return None


@dataclass(frozen=True, slots=True)
class ProxyProtocol:
    """``proxy_protocol``: source and destination from the PROXY header, without which the connection is closed."""

    ref: Ref
    optional: bool
    reads: ClassVar[bool] = True

    def accept(
        self, connection: DownstreamConnection, request: Request, state: State, telling: Telling
    ) -> Aborted | None:
        """Read the header."""
        header = request.connection.proxy_protocol
        if header is None or not connection.proxy_header:
            if self.optional:
                telling.step(STAGE, self.ref, "no PROXY header, and none is needed")
                return None
            telling.step(STAGE, self.ref, "no PROXY header: the connection is closed")
            return Aborted("reset")
        connection.proxy_header = False
        source, destination = parse_address(header.source), parse_address(header.destination)
        if destination != connection.local:
            connection.local = destination
            connection.restored = True
        connection.remote = source
        telling.step(STAGE, self.ref, "PROXY header: from {} to {}", source, destination)
        return None


@dataclass(frozen=True, slots=True)
class TlsInspector:
    """``tls_inspector``: transport ``tls``, the SNI in lower case, the ALPN list in the client's order."""

    ref: Ref
    closes_others: bool
    reads: ClassVar[bool] = True

    def accept(
        self, connection: DownstreamConnection, request: Request, state: State, telling: Telling
    ) -> Aborted | None:
        """Read the client hello."""
        if connection.proxy_header or not connection.client_tls:
            if self.closes_others:
                telling.step(STAGE, self.ref, "no TLS client hello: the connection is closed")
                return Aborted("reset")
            telling.step(STAGE, self.ref, "no TLS client hello")
            return None
        tls = request.connection.tls
        connection.transport_protocol = "tls"
        connection.server_name = ((tls.server_name if tls is not None else None) or "").lower()
        if connection.offered_alpn:
            connection.application_protocols = connection.offered_alpn
        telling.step(
            STAGE,
            self.ref,
            "TLS client hello: SNI {}, ALPN {}",
            connection.server_name or "none",
            connection.offered_alpn or "none",
        )
        return None


_SNIFFED: Final = {"HTTP/1.1": "http/1.1", "HTTP/1.0": "http/1.0", "HTTP/2": "h2c"}


@dataclass(frozen=True, slots=True)
class HttpInspector:
    """``http_inspector``: ``http/1.0``, ``http/1.1`` or ``h2c`` of a plaintext client."""

    ref: Ref
    reads: ClassVar[bool] = True

    def accept(
        self, connection: DownstreamConnection, request: Request, state: State, telling: Telling
    ) -> Aborted | None:
        """Read the request line or the HTTP/2 preface."""
        if connection.transport_protocol == "tls":
            return None
        readable = not (connection.proxy_header or connection.client_tls)
        protocol = _SNIFFED.get(connection.speaks) if readable else None
        if protocol is not None:
            connection.application_protocols = (protocol,)
        telling.step(STAGE, self.ref, "the client speaks {}", protocol or "no HTTP that can be read")
        return None


@dataclass(frozen=True, slots=True)
class LocalRateLimit:
    """``local_ratelimit``: a token per connection, or the connection is closed."""

    ref: Ref
    max_tokens: int
    fill_rate: float
    """Tokens per second."""
    enabled: bool
    reads: ClassVar[bool] = False

    def accept(
        self, connection: DownstreamConnection, request: Request, state: State, telling: Telling
    ) -> Aborted | None:
        """Take a token."""
        if not self.enabled:
            return None
        now_ms = state.now_ms
        bucket = state.slot(
            ("listener local_ratelimit", self.ref), lambda: TokenBucket(self.max_tokens, self.fill_rate, now_ms)
        )
        if bucket.consume(now_ms):
            return None
        telling.step(STAGE, self.ref, "no token is left: the connection is closed")
        return Aborted("reset")


@dataclass(frozen=True, slots=True)
class Passes:
    """A filter without effect on what a request gets; ``note`` says what it may do besides."""

    ref: Ref
    note: str
    reads: ClassVar[bool] = False

    def accept(
        self, connection: DownstreamConnection, request: Request, state: State, telling: Telling
    ) -> Aborted | None:
        """Say what is not modelled."""
        if self.note:
            telling.note(self.ref, self.note)
        return None


@dataclass(frozen=True, slots=True)
class Missing:
    """A discovered filter whose configuration never came: connections are closed (``extension_config_missing``)."""

    ref: Ref
    name: str
    reads: ClassVar[bool] = False

    def accept(
        self, connection: DownstreamConnection, request: Request, state: State, telling: Telling
    ) -> Aborted | None:
        """Close the connection."""
        telling.step(STAGE, self.ref, "`{}` has no configuration yet: the connection is closed", self.name)
        return Aborted("reset")


def compile_listener_filters(listener: Msg, ref: Ref, proxy: Proxy) -> tuple[ListenerFilter, ...]:
    """Compile ``listener_filters``; ``use_original_dst`` and ``use_proxy_proto`` add a filter at the end."""
    filters = [_compile_entry(m, ref.at("listener_filters", i), proxy) for i, m in enumerate(listener.listener_filters)]
    if listener.use_original_dst.value:
        filters.append(OriginalDst(ref.at("use_original_dst")))
    if listener.filter_chains and listener.filter_chains[0].use_proxy_proto.value:
        filters.append(ProxyProtocol(ref.at("filter_chains", 0, "use_proxy_proto"), optional=False))
    return tuple(filters)


def _compile_entry(msg: Msg, ref: Ref, proxy: Proxy) -> ListenerFilter:
    found = _compile_filter(msg, ref, proxy)
    if msg.HasField("filter_disabled"):
        return Unless(ref, found, compile_predicate(msg.filter_disabled))
    return found


def _compile_filter(msg: Msg, ref: Ref, proxy: Proxy) -> ListenerFilter:
    config = msg.typed_config
    if msg.WhichOneof("config_type") == "config_discovery":
        resource = proxy.dump.extension_configs.get(msg.name)
        config = resource.message().typed_config if resource is not None else msg.config_discovery.default_config
        if not config.type_url:
            return Missing(ref, msg.name)
    kind, inner = any_type(config) or type_of_name(msg.name), unpack(config)  # old proxies went by the name
    if kind == PREFIX + "original_dst.v3.OriginalDst":
        return OriginalDst(ref)
    if kind == PREFIX + "proxy_protocol.v3.ProxyProtocol":
        return ProxyProtocol(ref, inner is not None and inner.allow_requests_without_proxy_protocol)
    if kind == PREFIX + "tls_inspector.v3.TlsInspector":
        return TlsInspector(ref, inner is not None and inner.close_connection_on_client_hello_parsing_errors)
    if kind == PREFIX + "http_inspector.v3.HttpInspector":
        return HttpInspector(ref)
    if kind == PREFIX + "original_src.v3.OriginalSrc":
        return Passes(ref, "")
    if kind == PREFIX + "local_ratelimit.v3.LocalRateLimit" and inner is not None:
        return _compile_local_ratelimit(inner, ref, proxy)
    if kind == ISTIO_SET_ADDRESS:
        return Passes(ref, "")
    return Passes(
        ref,
        f"listener filter `{msg.name}` ({kind or 'without a type'}) is not modelled: it may change addresses, "
        "SNI or metadata, or close the connection",
    )


def _compile_local_ratelimit(msg: Msg, ref: Ref, proxy: Proxy) -> LocalRateLimit:
    bucket, enabled = msg.token_bucket, msg.runtime_enabled
    per_fill = bucket.tokens_per_fill.value if bucket.HasField("tokens_per_fill") else 1
    default = enabled.default_value.value if msg.HasField("runtime_enabled") else True
    return LocalRateLimit(
        ref,
        bucket.max_tokens,
        per_fill * 1000 / max(duration_ms(bucket.fill_interval), 1.0),
        proxy.runtime.boolean(enabled.runtime_key, default),
    )


def compile_predicate(msg: Msg) -> Predicate:
    """Compile a ListenerFilterChainMatchPredicate: when a filter is left out, by destination port."""
    kind = msg.WhichOneof("rule")
    if kind == "or_match":
        any_of = [compile_predicate(rule) for rule in msg.or_match.rules]
        return lambda port: any(rule(port) for rule in any_of)
    if kind == "and_match":
        all_of = [compile_predicate(rule) for rule in msg.and_match.rules]
        return lambda port: all(rule(port) for rule in all_of)
    if kind == "not_match":
        inner = compile_predicate(msg.not_match)
        return lambda port: not inner(port)
    if kind == "destination_port_range":
        start, end = msg.destination_port_range.start, msg.destination_port_range.end
        return lambda port: start <= port < end
    return lambda port: kind == "any_match"


def run_listener_filters(
    listener: Listener, connection: DownstreamConnection, request: Request, state: State, telling: Telling
) -> Aborted | None:
    """Run the listener's filters in order; those that read wait ``listener_filters_timeout`` for a silent client."""
    for entry in listener.filters:
        current = entry
        if isinstance(entry, Unless) and not entry.disabled(connection.local.port):
            current = entry.inner
        if current.reads and _is_silent(connection, request):
            return _time_out(listener, connection, telling)
        ended = current.accept(connection, request, state, telling)
        if ended is not None:
            return ended
    return None


def _is_silent(connection: DownstreamConnection, request: Request) -> bool:
    """The client waits for the server to speak first."""
    return connection.speaks == "TCP" and not request.body and not connection.client_tls and not connection.proxy_header


def _time_out(listener: Listener, connection: DownstreamConnection, telling: Telling) -> Aborted | None:
    seconds = listener.filters_timeout_ms / 1000
    if not seconds:
        telling.step(STAGE, listener.ref, "the client sends nothing, and no timeout ends the waiting for it")
        return Aborted("eof")
    if not listener.continue_on_filters_timeout:
        telling.step(STAGE, listener.ref, "the client sends nothing for {} s: the connection is closed", seconds)
        return Aborted("eof")
    telling.step(STAGE, listener.ref, "the client sends nothing for {} s: matching goes on without it", seconds)
    connection.waited_ms += listener.filters_timeout_ms
    return None
