"""Listeners for the real Envoy on loopback: free ports, PROXY protocol in front, generated certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..load.dump import Dump
from .certificates import self_signed
from .ports import free_ports
from .rebuild_http import discovered, package, rebuild_manager
from .v3_json import holds_unknown

if TYPE_CHECKING:
    from .rebuild import Rebuilt

Json = dict[str, Any]
PREFIX = "type.googleapis.com/envoy.extensions.filters."
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
RAW_BUFFER = "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
PROXY_PROTOCOL = {
    "name": "envoy.filters.listener.proxy_protocol",
    "typed_config": {"@type": PREFIX + "listener.proxy_protocol.v3.ProxyProtocol"},
}
KEPT_NETWORK = frozenset(
    """http_connection_manager tcp_proxy rbac sni_cluster set_filter_state connection_limit local_ratelimit
    direct_response echo""".split()
)
TERMINAL = frozenset(("http_connection_manager", "tcp_proxy", "direct_response", "echo"))
KEPT_LISTENER = frozenset(("tls_inspector", "http_inspector", "original_dst"))
GONE = (
    "access_log",
    "additional_addresses",
    "socket_options",
    "udp_listener_config",
    "enable_reuse_port",
    "freebind",
    "transparent",
    "tcp_fast_open_queue_length",
    "connection_balance_config",
    "internal_listener",
    "deprecated_v1",
)
"""Fields that choose no answer, or that a machine on its own cannot honour."""


def rebuild_listener(dump: Dump, listener: Json, made: Rebuilt) -> Json | None:
    """Return the runnable listener, ``None`` (and the reason in ``made``) where there is none."""
    name = listener["name"] = _own_name(listener.get("name") or "listener", made)
    socket = listener.get("address", {}).get("socket_address")
    if socket is None or socket.get("protocol") == "UDP" or "udp_listener_config" in listener:
        made.leave_out(f"listener `{name}` left out: it does not listen on a TCP port")
        return None
    made.original[name] = f"{socket.get('address')}:{socket.get('port_value', 0)}"
    if listener.pop("deprecated_v1", {}).get("bind_to_port") is False:
        listener["bind_to_port"] = False
    for gone in GONE:
        listener.pop(gone, None)
    chains = [c for c in listener.get("filter_chains", []) if _chain(dump, c, name, made)]
    listener["filter_chains"] = chains
    default = listener.get("default_filter_chain")
    if default is not None and not _chain(dump, default, name, made):
        del listener["default_filter_chain"]
    if not chains and "default_filter_chain" not in listener:
        made.leave_out(f"listener `{name}` left out: no filter chain of it can run here")
        return None
    _listener_filters(listener, name, made)
    return listener


def _own_name(name: str, made: Rebuilt) -> str:
    """Number listeners without a name: Envoy gives each one a name of its own."""
    taken, number, found = made.original, 1, name
    while found in taken:
        number += 1
        found = f"{name} {number}"
    return found


def _listener_filters(listener: Json, name: str, made: Rebuilt) -> None:
    filters = []
    for entry in listener.get("listener_filters", []):
        if package(entry) in KEPT_LISTENER:
            filters.append(entry)
        elif package(entry) != "proxy_protocol":
            made.change(f"listener `{name}`: listener filter `{entry.get('name')}` taken out")
    listener["listener_filters"] = filters
    listener["listener_filters_timeout"] = "2s"
    if listener.get("bind_to_port", True) is not False:
        _bind(listener, made)


def _bind(listener: Json, made: Rebuilt) -> None:
    """Give the listener a free port; who connects tells the addresses in a PROXY header."""
    (port,) = free_ports(1)
    listener["address"] = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    made.listeners[listener["name"]] = f"127.0.0.1:{port}"
    listener["listener_filters"] = [PROXY_PROTOCOL, *listener["listener_filters"]]


def bind_unreachable(listeners: list[Json], made: Rebuilt) -> None:
    """Bind listeners that wait for connections nobody here hands on."""
    if any(listener.get("use_original_dst") and listener["name"] in made.listeners for listener in listeners):
        return
    for listener in listeners:
        if listener["name"] not in made.listeners:
            made.change(f"listener `{listener['name']}`: bound to a port of its own: no listener hands connections on")
            listener.pop("bind_to_port", None)
            _bind(listener, made)


def _chain(dump: Dump, chain: Json, listener: str, made: Rebuilt) -> bool:
    """Make one filter chain runnable; false where nothing useful is left of it."""
    chain_name = f"listener `{listener}`: chain `{chain.get('name', '')}`"
    socket = chain.get("transport_socket")
    if socket is not None:
        kind = socket.get("typed_config", {}).get("@type", "")
        if kind == TLS:
            chain["transport_socket"] = _tls(socket, listener, made)
        elif kind == RAW_BUFFER:
            del chain["transport_socket"]
        else:
            made.leave_out(f"{chain_name} left out: transport socket `{socket.get('name')}`")
            return False
    kept, gone = [], []
    for raw in chain.get("filters", []):
        entry = discovered(dump, raw)
        if not _runs(entry):
            gone.append(str(entry.get("name")))
            continue
        if package(entry) == "http_connection_manager":
            rebuild_manager(dump, entry["typed_config"], listener, made)
        else:
            entry["typed_config"].pop("access_log", None)
            _give_stat_prefix(entry)
        kept.append(entry)
        if package(entry) in TERMINAL:
            break  # older proxies read no further
    chain["filters"] = kept
    if not kept or package(kept[-1]) not in TERMINAL:
        made.leave_out(
            f"{chain_name} left out: it ends in `{gone[-1] if gone else 'nothing'}`, which does not run here"
        )
        return False
    for name in gone:
        made.change(f"listener `{listener}`: network filter `{name}` taken out")
    chain.pop("on_demand_configuration", None)
    return True


def _runs(entry: Json) -> bool:
    kind = package(entry)
    if kind not in KEPT_NETWORK:
        return False
    if kind == "tcp_proxy" and not entry["typed_config"].keys() & {"cluster", "weighted_clusters"}:
        return False  # routes of the v1 API
    return kind == "http_connection_manager" or not holds_unknown(entry)


def _give_stat_prefix(entry: Json) -> None:
    """Filters that must have a ``stat_prefix`` must not have an empty one, which older proxies allowed."""
    if package(entry) in ("tcp_proxy", "rbac", "connection_limit", "local_ratelimit"):
        entry["typed_config"].setdefault("stat_prefix", "envoysim")


def _tls(socket: Json, listener: str, made: Rebuilt) -> Json:
    """Keep ALPN; the certificate is ours and clients need none."""
    context = socket["typed_config"]
    common = context.get("common_tls_context", {})
    certificate, key = self_signed()
    made.change(f"listener `{listener}`: certificates generated, client certificates not asked for")
    new: Json = {
        "tls_certificates": [
            {"certificate_chain": {"inline_string": certificate}, "private_key": {"inline_string": key}}
        ]
    }
    if "alpn_protocols" in common:
        new["alpn_protocols"] = common["alpn_protocols"]
    return {"name": socket.get("name"), "typed_config": {"@type": TLS, "common_tls_context": new}}
