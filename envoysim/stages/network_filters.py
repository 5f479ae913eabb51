"""From the chosen filter chain to what ends it: the connection manager, a TCP proxy, or a closed connection.

Every filter meets the new connection first, and a tcp_proxy connects then. The TLS handshake follows, and only then do
the client's first bytes go through the filters: one that decides on data (RBAC) comes after the upstream connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from ..load.retired import type_of_name
from ..model.reply import Aborted
from ..schema import Msg, any_type, duration_ms, new, unpack
from .connection_log import write_connection_log
from .downstream_tls import shake_hands
from .filter_chain import FilterChain, choose_filter_chain
from .http_connection_manager import HttpConnectionManager, compile_http_connection_manager
from .network_filter import (
    STAGE,
    Answers,
    CallsOut,
    Context,
    LocalRateLimit,
    Missing,
    NetworkFilter,
    NetworkRbac,
    Passes,
    SetFilterState,
    SniCluster,
    UnknownEnd,
)
from .rbac_engine import compile_engine
from .set_filter_state import compile_filter_state_values
from .tcp_proxy import TcpEnd, TcpProxy, compile_tcp_proxy, proxy_tcp

if TYPE_CHECKING:
    from ..model.ref import Ref
    from ..model.request import Request
    from ..model.world import State, World
    from .proxy import Proxy
    from .set_filter_state import FilterStateValue
    from .stream import DownstreamConnection, Story, Telling

Terminal: TypeAlias = HttpConnectionManager | TcpProxy | Answers | UnknownEnd
Entry: TypeAlias = NetworkFilter | Terminal
Compile: TypeAlias = Callable[[Msg, str, "Ref", "Proxy"], Entry]
PREFIX: Final = "envoy.extensions.filters.network."


def _hcm(msg: Msg, name: str, ref: Ref, proxy: Proxy) -> HttpConnectionManager:
    return compile_http_connection_manager(msg, ref, proxy)


def _tcp_proxy(msg: Msg, name: str, ref: Ref, proxy: Proxy) -> TcpProxy:
    return compile_tcp_proxy(msg, ref, proxy)


def _rbac(msg: Msg, name: str, ref: Ref, proxy: Proxy) -> NetworkFilter:
    prefix = msg.stat_prefix + "." if msg.stat_prefix else ""
    engine = compile_engine(msg, ref, network=True)
    return NetworkRbac(ref, prefix, engine, compile_engine(msg, ref, "shadow_", network=True))


def _sni_cluster(msg: Msg, name: str, ref: Ref, proxy: Proxy) -> NetworkFilter:
    return SniCluster(ref)


def _set_filter_state(msg: Msg, name: str, ref: Ref, proxy: Proxy) -> NetworkFilter:
    def values(field: str) -> tuple[FilterStateValue, ...]:
        return compile_filter_state_values(getattr(msg, field, ()), ref.at(field))

    return SetFilterState(
        ref, values("on_new_connection"), values("on_downstream_tls_handshake"), values("on_downstream_data")
    )


def _local_ratelimit(msg: Msg, name: str, ref: Ref, proxy: Proxy) -> NetworkFilter:
    bucket, enabled = msg.token_bucket, msg.runtime_enabled
    per_fill = bucket.tokens_per_fill.value if bucket.HasField("tokens_per_fill") else 1
    return LocalRateLimit(
        ref,
        msg.stat_prefix,
        bucket.max_tokens,
        per_fill * 1000 / max(duration_ms(bucket.fill_interval), 1.0),
        enabled.runtime_key,
        enabled.default_value.value if msg.HasField("runtime_enabled") else True,
    )


def _ext_authz(msg: Msg, name: str, ref: Ref, proxy: Proxy) -> NetworkFilter:
    return CallsOut(ref, name, ("UAEX",))


def _ratelimit(msg: Msg, name: str, ref: Ref, proxy: Proxy) -> NetworkFilter:
    return CallsOut(ref, name, ())


def _direct_response(msg: Msg, name: str, ref: Ref, proxy: Proxy) -> Terminal:
    return Answers(ref, name, msg.response.inline_string)


def _echo(msg: Msg, name: str, ref: Ref, proxy: Proxy) -> Terminal:
    return Answers(ref, name, None)


def _passes(note: str = "") -> Compile:
    return lambda msg, name, ref, proxy: Passes(ref, note)


REGISTRY: Final[Mapping[str, Compile]] = {
    PREFIX + "http_connection_manager.v3.HttpConnectionManager": _hcm,
    PREFIX + "tcp_proxy.v3.TcpProxy": _tcp_proxy,
    PREFIX + "rbac.v3.RBAC": _rbac,
    PREFIX + "sni_cluster.v3.SniCluster": _sni_cluster,
    PREFIX + "set_filter_state.v3.Config": _set_filter_state,
    PREFIX + "local_ratelimit.v3.LocalRateLimit": _local_ratelimit,
    PREFIX + "ext_authz.v3.ExtAuthz": _ext_authz,
    PREFIX + "ratelimit.v3.RateLimit": _ratelimit,
    PREFIX + "direct_response.v3.Config": _direct_response,
    PREFIX + "echo.v3.Echo": _echo,
    PREFIX + "connection_limit.v3.ConnectionLimit": _passes("connections are taken to stay below `max_connections`"),
    PREFIX + "tcp_bandwidth_limit.v3.TcpBandwidthLimit": _passes("bytes take no time"),
    PREFIX + "geoip.v3.Geoip": _passes("no geographical data is set"),
    "envoy.tcp.metadataexchange.config.MetadataExchange": _passes(),
    "envoy.extensions.network_filters.peer_metadata.Config": _passes(),
    "io.istio.tcp.forward_downstream_sni.v1.Config": _passes("the upstream's SNI is not the downstream's"),
    "io.istio.tcp.sni_verifier.v1.Config": _passes(),
    "io.istio.network.authn.Config": _passes(),
    "stats.PluginConfig": _passes(),
}
"""Type of the configuration -> how to compile it."""


def compile_network_filters(msgs: Sequence[Msg], ref: Ref, proxy: Proxy) -> tuple[Entry, ...]:
    """Compile the ``filters`` of a chain. The last one has to end the chain; an unknown one there is taken to."""
    last = len(msgs) - 1
    return tuple(_compile_entry(msg, ref.at(i), proxy, ends=i == last) for i, msg in enumerate(msgs))


def _compile_entry(msg: Msg, ref: Ref, proxy: Proxy, *, ends: bool) -> Entry:
    config, place = msg.typed_config, ref.at("typed_config")
    if msg.WhichOneof("config_type") == "config_discovery":
        resource = proxy.dump.extension_configs.get(msg.name)
        if resource is not None:
            config, place = resource.message().typed_config, resource.ref.at("typed_config")
        else:
            config, place = msg.config_discovery.default_config, ref.at("config_discovery", "default_config")
        if not config.type_url:
            return Missing(ref, msg.name)
    kind, inner = any_type(config), unpack(config)
    if not kind and (kind := type_of_name(msg.name)):
        inner = new(kind)  # old proxies went by the name
    compile_filter = REGISTRY.get(kind)
    if compile_filter is not None and inner is not None:
        return compile_filter(inner, msg.name, place, proxy)
    if ends:
        return UnknownEnd(place, msg.name, kind)
    return Passes(place, f"network filter `{msg.name}` ({kind or 'without a type'}) is not modelled: passed through")


def run_network_filters(
    proxy: Proxy, connection: DownstreamConnection, request: Request, world: World, state: State, telling: Telling
) -> Story[HttpConnectionManager | TcpEnd | Aborted]:
    """Choose the filter chain, shake hands, and take the connection through its network filters."""
    if connection.hcm is not None:
        return connection.hcm
    context = Context(proxy, connection, request, world, state, telling)
    if connection.waited_ms:
        yield state.now_ms + connection.waited_ms
    chain = choose_filter_chain(connection, world, state, telling)
    if chain is None:
        telling.count(f"listener.{connection.listener.stat_prefix}.no_filter_chain_match")
        not_found = Aborted("no_filter_chain", ("NR",), "filter_chain_not_found")
        write_connection_log(context, not_found)
        return not_found
    connection.filter_chain = chain
    end = yield from _run(chain, context)
    if isinstance(end, Aborted):
        write_connection_log(context, end)
    elif isinstance(end, HttpConnectionManager):
        connection.hcm = end
    else:
        last = chain.filters[-1]
        write_connection_log(context, end, last.access_loggers if isinstance(last, TcpProxy) else ())
    return end


def _run(chain: FilterChain, context: Context) -> Story[HttpConnectionManager | TcpEnd | Aborted]:
    telling = context.telling
    passing: list[NetworkFilter] = []
    for entry in chain.filters:
        if isinstance(entry, HttpConnectionManager):
            ended = _meet_data(chain, passing, context)
            if ended is None:
                telling.step(STAGE, entry.ref, "HTTP connection manager")
            return ended or entry
        if isinstance(entry, TcpProxy):
            return (yield from proxy_tcp(entry, context, partial(_meet_data, chain, passing, context)))
        if isinstance(entry, Answers | UnknownEnd):
            return _meet_data(chain, passing, context) or _end(entry, context)
        ended = entry.on_new_connection(context)
        if ended is not None:
            return ended
        passing.append(entry)
    if not chain.filters:
        telling.step(STAGE, chain.ref, "the chain has no filters: the connection is closed")
        return Aborted("eof")
    telling.step(STAGE, chain.ref, "no filter ends the chain")
    return Aborted("unknown", (), "a filter that ends the chain")


def _meet_data(chain: FilterChain, passing: Sequence[NetworkFilter], context: Context) -> Aborted | None:
    """Shake hands, and take the first bytes through the filters before the last one; a silent client sends none."""
    failed = shake_hands(chain.transport, context.connection, context.telling)
    if failed is not None:
        return failed
    if context.client_is_silent:
        return None
    for entry in passing:
        ended = entry.on_data(context)
        if ended is not None:
            return ended
    return None


def _end(entry: Answers | UnknownEnd, context: Context) -> TcpEnd | Aborted:
    if isinstance(entry, UnknownEnd):
        context.telling.note(entry.ref, f"network filter `{entry.name}` ({entry.kind}) is not modelled")
        context.telling.step(STAGE, entry.ref, "`{}` speaks a protocol that is not modelled", entry.name)
        return Aborted("unknown", (), f"what `{entry.name}` ({entry.kind}) answers")
    if entry.text is not None:
        context.telling.step(STAGE, entry.ref, "`{}` sends its text and closes", entry.name)
        return TcpEnd(closed="eof", details="direct_response", body=entry.text)
    context.telling.step(STAGE, entry.ref, "`{}` sends back what it gets", entry.name)
    return TcpEnd(body=context.request.body)


__all__ = ["TcpEnd", "compile_network_filters", "run_network_filters"]
