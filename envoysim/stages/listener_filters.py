"""Listener filters: they look at the first bytes and tell addresses, SNI, ALPN (``source/extensions/filters/listener``).

A filter is compiled to a function over the connection; ``None`` lets the connection go on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from ..model.address import parse_address
from ..model.ref import Ref
from ..model.reply import Aborted
from ..schema import Msg, any_type, unpack

if TYPE_CHECKING:
    from ..model.request import Request
    from .proxy import Proxy
    from .stream import DownstreamConnection, Telling

Run: TypeAlias = Callable[["DownstreamConnection", "Request", Msg, "Ref", "Telling"], Aborted | None]
PREFIX: Final = "envoy.extensions.filters.listener."


@dataclass(frozen=True, slots=True)
class ListenerFilter:
    """One entry of ``listener_filters``: its type, configuration and the predicate that switches it off."""

    name: str
    type_name: str
    ref: Ref
    config: Msg | None
    disabled: Callable[[int], bool] | None


def compile_listener_filters(msgs: list[Msg], ref: Ref, proxy: Proxy) -> tuple[ListenerFilter, ...]:
    """Compile the entries of ``listener_filters``; discovered ones are looked up in the dump."""
    found = []
    for index, msg in enumerate(msgs):
        place = ref.at("listener_filters", index)
        config_any = msg.typed_config
        if msg.WhichOneof("config_type") == "config_discovery":
            resource = proxy.dump.extension_configs.get(msg.name)
            if resource is not None:
                config_any = resource.message().typed_config
            else:
                config_any = msg.config_discovery.default_config
        name = any_type(config_any) or PREFIX + msg.name.rsplit(".", 1)[-1]
        disabled = _predicate(msg.filter_disabled) if msg.HasField("filter_disabled") else None
        found.append(ListenerFilter(msg.name, name, place, unpack(config_any), disabled))
    return tuple(found)


def _predicate(msg: Msg) -> Callable[[int], bool]:
    """Compile a ListenerFilterChainMatchPredicate over the destination port."""
    kind = msg.WhichOneof("rule")
    if kind == "or_match":
        rules = [_predicate(r) for r in msg.or_match.rules]
        return lambda port: any(rule(port) for rule in rules)
    if kind == "and_match":
        rules = [_predicate(r) for r in msg.and_match.rules]
        return lambda port: all(rule(port) for rule in rules)
    if kind == "not_match":
        inner = _predicate(msg.not_match)
        return lambda port: not inner(port)
    if kind == "any_match":
        return lambda port: True
    start, end = msg.destination_port_range.start, msg.destination_port_range.end
    return lambda port: start <= port < end


def run_listener_filters(
    filters: tuple[ListenerFilter, ...], connection: DownstreamConnection, request: Request, telling: Telling
) -> Aborted | None:
    """Run the filters in order; transport protocol is ``raw_buffer`` where none told another."""
    for entry in filters:
        if entry.disabled is not None and entry.disabled(connection.local.port):
            telling.step(
                "listener filters", entry.ref, "`{}` is switched off for port {}", entry.name, connection.local.port
            )
            continue
        run = _RUN.get(entry.type_name)
        if run is None:
            if entry.type_name not in _SILENT:
                telling.note(
                    entry.ref,
                    f"listener filter `{entry.name}` ({entry.type_name}) is not modelled: it may "
                    "change addresses, SNI or metadata, or close the connection",
                )
            continue
        ended = run(connection, request, entry.config, entry.ref, telling)
        if ended is not None:
            return ended
    if request.connection.proxy_protocol is not None and connection.speaks != "PROXY":
        _unread_proxy_header(filters, connection)
    return None


def _unread_proxy_header(filters: tuple[ListenerFilter, ...], connection: DownstreamConnection) -> None:
    """Without the proxy_protocol filter the header's bytes reach whatever comes next."""
    if not any(f.type_name == PROXY_PROTOCOL for f in filters):
        connection.speaks = "PROXY"
        connection.client_tls = False


def _original_dst(
    connection: DownstreamConnection, request: Request, config: Msg, ref: Ref, telling: Telling
) -> Aborted | None:
    """Restore the destination from before redirection (SO_ORIGINAL_DST); without redirection nothing is restored."""
    original = request.connection.original_destination
    if original is not None:
        connection.local = parse_address(original)
        connection.restored = True
        telling.step("listener filters", ref, "original_dst: destination {}", original)
    return None


def _proxy_protocol(
    connection: DownstreamConnection, request: Request, config: Msg, ref: Ref, telling: Telling
) -> Aborted | None:
    """Take source and destination from the PROXY header, which must be there unless the filter allows its absence."""
    header = request.connection.proxy_protocol
    if header is None:
        if config is not None and config.allow_requests_without_proxy_protocol:
            return None
        telling.step("listener filters", ref, "proxy_protocol: no PROXY header, the connection is closed")
        return Aborted("eof")
    connection.remote, connection.local = parse_address(header.source), parse_address(header.destination)
    connection.restored = True
    telling.step("listener filters", ref, "proxy_protocol: {} -> {}", header.source, header.destination)
    return None


def _tls_inspector(
    connection: DownstreamConnection, request: Request, config: Msg, ref: Ref, telling: Telling
) -> Aborted | None:
    """Read the TLS hello: transport ``tls``, the lower-case SNI, the ALPN list in the client's order."""
    if connection.speaks == "PROXY" or not connection.client_tls:
        telling.step("listener filters", ref, "tls_inspector: no TLS hello")
        return None
    tls = request.connection.tls
    connection.transport_protocol = "tls"
    connection.server_name = ((tls.server_name if tls else None) or "").lower()
    connection.application_protocols = connection.offered_alpn
    telling.step(
        "listener filters",
        ref,
        "tls_inspector: SNI `{}`, ALPN {}",
        connection.server_name,
        ",".join(connection.offered_alpn) or "none",
    )
    return None


_SNIFFED: Final = {"HTTP/1.1": "http/1.1", "HTTP/1.0": "http/1.0", "HTTP/2": "h2c"}


def _http_inspector(
    connection: DownstreamConnection, request: Request, config: Msg, ref: Ref, telling: Telling
) -> Aborted | None:
    """Tell HTTP/1.0, HTTP/1.1 and the HTTP/2 preface on plaintext."""
    if connection.client_tls:
        return None
    sniffed = _SNIFFED.get(connection.speaks)
    if sniffed is not None:
        connection.application_protocols = (sniffed,)
    telling.step("listener filters", ref, "http_inspector: {}", sniffed or "not HTTP")
    return None


PROXY_PROTOCOL: Final = PREFIX + "proxy_protocol.v3.ProxyProtocol"
_RUN: Final[dict[str, Run]] = {
    PREFIX + "original_dst.v3.OriginalDst": _original_dst,
    PROXY_PROTOCOL: _proxy_protocol,
    PREFIX + "tls_inspector.v3.TlsInspector": _tls_inspector,
    PREFIX + "http_inspector.v3.HttpInspector": _http_inspector,
}
_SILENT: Final = frozenset(
    PREFIX + name for name in ("original_src.v3.OriginalSrc", "local_ratelimit.v3.LocalRateLimit")
)
"""Filters that change nothing a request can see (original_src: the upstream sees the client's address)."""
