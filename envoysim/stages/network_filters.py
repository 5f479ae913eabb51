"""Network filters in order, up to the one that ends the chain: connection manager, TCP proxy, or nothing known.

Source: ``source/common/network/filter_manager_impl.cc`` and ``source/extensions/filters/network``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..model.reply import Aborted
from ..schema import Msg, any_type, unpack
from .downstream_tls import handshake
from .filter_chain import FilterChain, choose_filter_chain
from .http_connection_manager import HttpConnectionManager, compile_http_connection_manager
from .rbac_engine import RbacEngine, compile_rbac
from .tcp_proxy import TcpEnd, TcpProxy, compile_tcp_proxy, proxy_tcp

if TYPE_CHECKING:
    from ..model.ref import Ref
    from ..model.request import Request
    from ..model.world import State, World
    from .proxy import Proxy
    from .stream import DownstreamConnection, Story, Telling

PREFIX: Final = "envoy.extensions.filters.network."
HCM: Final = PREFIX + "http_connection_manager.v3.HttpConnectionManager"
TCP_PROXY: Final = PREFIX + "tcp_proxy.v3.TcpProxy"
RBAC: Final = PREFIX + "rbac.v3.RBAC"
SNI_CLUSTER: Final = PREFIX + "sni_cluster.v3.SniCluster"
DIRECT_RESPONSE: Final = PREFIX + "direct_response.v3.Config"
SET_FILTER_STATE: Final = PREFIX + "set_filter_state.v3.Config"
SILENT: Final = {
    PREFIX + "connection_limit.v3.ConnectionLimit": "it closes connections over its limit",
    PREFIX + "local_ratelimit.v3.LocalRateLimit": "it closes connections over its rate",
    PREFIX + "ext_authz.v3.ExtAuthz": "its service may refuse the connection",
    PREFIX + "ratelimit.v3.RateLimit": "its service may refuse the connection",
    PREFIX + "wasm.v3.Wasm": "code that may do anything",
    "envoy.tcp.metadataexchange.config.MetadataExchange": "",
    "stats.PluginConfig": "",
    PREFIX + "sni_dynamic_forward_proxy.v3.FilterConfig": "it resolves the SNI and names the destination",
}
"""Filters that pass the connection on, with what they may do besides ("": nothing a request can see)."""
TERMINAL: Final = {
    "mongo_proxy": False,
    "mysql_proxy": False,
    "postgres_proxy": False,
    "zookeeper_proxy": False,
    "kafka_broker": False,
    "redis_proxy": True,
    "thrift_proxy": True,
    "dubbo_proxy": True,
    "generic_proxy": True,
    "echo": True,
    "meta_protocol_proxy": True,
    "rocketmq_proxy": True,
    "sip_proxy": True,
    "ssh": True,
}
"""Protocol filters by their package: whether they end the chain."""


@dataclass(frozen=True, slots=True)
class NetworkFilter:
    """One entry of ``filters``; ``config`` is the compiled value its type has, else the message."""

    name: str
    type_name: str
    ref: Ref
    config: Any


def compile_network_filters(msgs: list[Msg], ref: Ref, proxy: Proxy) -> tuple[NetworkFilter, ...]:
    """Compile the network filters of a chain; discovered ones are looked up in the dump."""
    found = []
    for index, msg in enumerate(msgs):
        place = ref.at("filters", index, "typed_config")
        config_any = msg.typed_config
        if msg.WhichOneof("config_type") == "config_discovery":
            resource = proxy.dump.extension_configs.get(msg.name)
            config_any = msg.config_discovery.default_config
            if resource is not None:
                config_any, place = resource.message().typed_config, resource.ref.at("typed_config")
        name = any_type(config_any)
        config = unpack(config_any)
        if config is not None:
            config = _compile(name, config, place, proxy)
        found.append(NetworkFilter(msg.name, name, place, config))
    return tuple(found)


def _compile(name: str, config: Msg, ref: Ref, proxy: Proxy) -> Any:
    if name == HCM:
        return compile_http_connection_manager(config, ref, proxy)
    if name == TCP_PROXY:
        return compile_tcp_proxy(config, ref, proxy)
    if name == RBAC:
        return compile_rbac(config, ref, proxy, network=True)
    return config


def run_network_filters(
    proxy: Proxy, connection: DownstreamConnection, request: Request, world: World, state: State, telling: Telling
) -> Story[HttpConnectionManager | TcpEnd | Aborted]:
    """Choose the filter chain, shake hands, and run its network filters to the one that ends the chain."""
    chain = choose_filter_chain(connection, telling)
    if chain is None:
        return Aborted("no_filter_chain", ("NR",), "filter_chain_not_found")
    connection.filter_chain = chain
    failed = handshake(connection, chain, telling)
    if failed is not None:
        return failed
    return (yield from _run(proxy, chain, connection, request, world, state, telling))


def _run(
    proxy: Proxy,
    chain: FilterChain,
    connection: DownstreamConnection,
    request: Request,
    world: World,
    state: State,
    telling: Telling,
) -> Story[HttpConnectionManager | TcpEnd | Aborted]:
    denial: Aborted | None = None
    """What an RBAC filter says on the first bytes: a TCP proxy behind it has connected by then."""
    for entry in chain.filters:
        config = entry.config
        if isinstance(config, HttpConnectionManager):
            if denial is not None:
                return denial
            telling.step("network filter", entry.ref, "`{}`: HTTP connection manager", entry.name)
            return config
        if isinstance(config, TcpProxy):
            return (yield from proxy_tcp(config, denial, proxy, connection, request, world, state, telling))
        if isinstance(config, RbacEngine):
            denial = denial or _network_rbac(config, entry, connection, telling)
        elif entry.type_name == SNI_CLUSTER:
            connection.filter_state["envoy.tcp_proxy.cluster"] = connection.server_name
            telling.step("network filter", entry.ref, "`{}`: cluster from SNI `{}`", entry.name, connection.server_name)
        elif entry.type_name == DIRECT_RESPONSE and config is not None:
            telling.step("network filter", entry.ref, "`{}`: answers and closes", entry.name)
            return Aborted("eof")
        elif (ended := _other(entry, telling)) is not None:
            return ended
    telling.step("network filter", chain.ref, "no filter ends the chain: the connection is closed")
    return Aborted("eof")


def _network_rbac(
    engine: RbacEngine, entry: NetworkFilter, connection: DownstreamConnection, telling: Telling
) -> Aborted | None:
    verdict = engine.check_connection(connection, telling)
    if verdict.allowed:
        return None
    return Aborted("eof", (), None)


def _other(entry: NetworkFilter, telling: Telling) -> Aborted | None:
    if entry.type_name in SILENT:
        may = SILENT[entry.type_name]
        if may:
            telling.note(entry.ref, f"network filter `{entry.name}` is passed through: {may}")
        return None
    package = entry.type_name.removeprefix(PREFIX).split(".")[0]
    ends = TERMINAL.get(package, False)
    telling.note(entry.ref, f"network filter `{entry.name}` ({entry.type_name}) is not modelled")
    if ends:
        telling.step("network filter", entry.ref, "`{}` speaks a protocol that is not modelled", entry.name)
        return Aborted("unknown", (), f"what `{entry.name}` ({package}) answers")
    return None


__all__ = ["NetworkFilter", "TcpEnd", "compile_network_filters", "run_network_filters"]
