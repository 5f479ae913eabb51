"""From a dump to a bootstrap that a real Envoy can run alone on loopback; every change is listed.

Nothing outside loopback can be reached from the result: endpoints become scripted upstreams, certificates are
generated, filters that call other services or are in no public build are taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..load.dump import Dump
from ..load.lazy import camel
from .certificates import self_signed
from .ports import free_ports
from .rebuild_clusters import rebuild_cluster

Json = dict[str, Any]
PREFIX = "type.googleapis.com/envoy.extensions.filters."
HCM = PREFIX + "network.http_connection_manager.v3.HttpConnectionManager"
PROXY_PROTOCOL = {
    "name": "envoy.filters.listener.proxy_protocol",
    "typed_config": {"@type": PREFIX + "listener.proxy_protocol.v3.ProxyProtocol"},
}
# Kept HTTP filters, by package: in every public build, calling nobody, and modelled.
KEPT_HTTP = frozenset(
    """router fault rbac cors csrf local_ratelimit buffer health_check header_mutation header_to_metadata set_metadata
    set_filter_state compressor grpc_web grpc_stats grpc_http1_bridge basic_auth api_key_auth jwt_authn stateful_session
    composite match_delegate""".split()
)
KEPT_NETWORK = frozenset(("http_connection_manager", "tcp_proxy", "rbac", "sni_cluster", "set_filter_state"))
KEPT_LISTENER = frozenset(("tls_inspector", "http_inspector", "original_dst"))


@dataclass(slots=True)
class Rebuilt:
    """The runnable bootstrap, where its listeners are, which loopback endpoint stands for which, what was changed."""

    bootstrap: Json
    listeners: dict[str, str] = field(default_factory=dict)
    """Listener name -> ``127.0.0.1:port``; listeners without a port of their own are reached by hand-off."""
    original: dict[str, str] = field(default_factory=dict)
    """Listener name -> the address it has in the dump."""
    endpoints: dict[str, str] = field(default_factory=dict)
    """``ip:port`` of the dump -> loopback ``ip:port``."""
    cluster_of: dict[str, str] = field(default_factory=dict)
    """Loopback ``ip:port`` -> cluster."""
    changes: list[str] = field(default_factory=list)


def rebuild(dump: Dump) -> Rebuilt:
    """Make ``dump`` runnable."""
    made = Rebuilt({"node": _node(dump), "static_resources": {"listeners": [], "clusters": []}})
    clusters = [rebuild_cluster(dump, name, made) for name in dump.clusters]
    made.bootstrap["static_resources"]["clusters"] = [c for c in clusters if c is not None]
    for resource in dump.listeners:
        listener = _listener(dump, snake(resource.plain()), made)
        if listener is not None:
            made.bootstrap["static_resources"]["listeners"].append(listener)
    runtime = _runtime(dump)
    if runtime:
        made.bootstrap["layered_runtime"] = runtime
    return made


def _node(dump: Dump) -> Json:
    if dump.bootstrap is None:
        return {"id": "envoysim", "cluster": "envoysim"}
    node = snake(dump.bootstrap.plain()).get("node", {})
    kept = {k: node[k] for k in ("id", "cluster", "locality") if k in node}
    return {"id": "envoysim", "cluster": "envoysim", **kept}


def _runtime(dump: Dump) -> Json | None:
    if dump.bootstrap is None:
        return None
    layers = snake(dump.bootstrap.plain()).get("layered_runtime", {}).get("layers", [])
    static = [layer for layer in layers if "static_layer" in layer]
    return {"layers": static} if static else None


def snake(value: Any) -> Any:
    """Return a copy with proto spellings: istioctl writes lowerCamelCase."""
    if isinstance(value, list):
        return [snake(v) for v in value]
    if not isinstance(value, dict):
        return value
    return {_snake_key(k): v if k in _OPAQUE else snake(v) for k, v in value.items()}


_OPAQUE = frozenset(("filter_metadata", "filterMetadata", "inline_code", "value", "json_format", "jsonFormat"))
_SNAKE: dict[str, str] = {}


def _snake_key(key: str) -> str:
    if key.islower() or not key.isidentifier():
        return key
    found = _SNAKE.get(key)
    if found is None:
        made = "".join("_" + c.lower() if c.isupper() else c for c in key)
        found = _SNAKE[key] = made if camel(made) == key else key
    return found


def _listener(dump: Dump, listener: Json, made: Rebuilt) -> Json | None:
    name = listener.get("name") or "listener"
    socket = listener.get("address", {}).get("socket_address")
    if socket is None or socket.get("protocol") == "UDP" or "udp_listener_config" in listener:
        made.changes.append(f"listener `{name}` left out: not a TCP listener")
        return None
    made.original[name] = f"{socket.get('address')}:{socket.get('port_value', 0)}"
    listener.pop("@type", None)
    for gone in (
        "access_log",
        "additional_addresses",
        "socket_options",
        "udp_listener_config",
        "enable_reuse_port",
        "freebind",
    ):
        listener.pop(gone, None)
    chains = [c for c in listener.get("filter_chains", []) if _chain(dump, c, name, made)]
    listener["filter_chains"] = chains
    default = listener.get("default_filter_chain")
    if default is not None and not _chain(dump, default, name, made):
        del listener["default_filter_chain"]
    if not chains and "default_filter_chain" not in listener:
        made.changes.append(f"listener `{name}` left out: no filter chain can run here")
        return None
    filters = [f for f in listener.get("listener_filters", []) if _package(f) in KEPT_LISTENER]
    made.changes += [
        f"listener `{name}`: listener filter `{f.get('name')}` taken out"
        for f in listener.get("listener_filters", [])
        if f not in filters
    ]
    binds = listener.get("bind_to_port", True) is not False
    if binds:
        (port,) = free_ports(1)
        listener["address"] = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        made.listeners[name] = f"127.0.0.1:{port}"
        filters = [PROXY_PROTOCOL, *filters]
    listener["listener_filters"] = filters
    listener["listener_filters_timeout"] = "2s"
    return listener


def _package(entry: Json) -> str:
    kind = str(entry.get("typed_config", {}).get("@type", ""))
    if kind.endswith("TypedStruct"):
        kind = str(entry["typed_config"].get("type_url", ""))
    parts = kind.rsplit("/", 1)[-1].split(".")
    return parts[4] if parts[:3] == ["envoy", "extensions", "filters"] and len(parts) > 5 else kind


def _chain(dump: Dump, chain: Json, listener: str, made: Rebuilt) -> bool:
    """Make one filter chain runnable; false where nothing useful is left of it."""
    socket = chain.get("transport_socket")
    if socket is not None:
        kind = socket.get("typed_config", {}).get("@type", "")
        if not kind.endswith("tls.v3.DownstreamTlsContext"):
            made.changes.append(f"listener `{listener}`: a chain with transport socket `{socket.get('name')}` left out")
            return False
        chain["transport_socket"] = _tls(socket, listener, made)
    kept = []
    for entry in chain.get("filters", []):
        entry = _discovered(dump, entry)
        package = _package(entry)
        if package not in KEPT_NETWORK:
            made.changes.append(f"listener `{listener}`: network filter `{entry.get('name')}` taken out")
            continue
        if package == "http_connection_manager":
            _hcm(dump, entry["typed_config"], listener, made)
        elif package == "tcp_proxy":
            entry["typed_config"].pop("access_log", None)
        kept.append(entry)
    chain["filters"] = kept
    return any(_package(e) in ("http_connection_manager", "tcp_proxy") for e in kept)


def _tls(socket: Json, listener: str, made: Rebuilt) -> Json:
    """Keep ALPN; the certificate is ours and clients need none."""
    context = socket["typed_config"]
    common = context.get("common_tls_context", {})
    certificate, key = self_signed()
    made.changes.append(f"listener `{listener}`: certificates generated, client certificates not asked for")
    new: Json = {
        "tls_certificates": [
            {"certificate_chain": {"inline_string": certificate}, "private_key": {"inline_string": key}}
        ]
    }
    if "alpn_protocols" in common:
        new["alpn_protocols"] = common["alpn_protocols"]
    return {"name": socket.get("name"), "typed_config": {"@type": context["@type"], "common_tls_context": new}}


def _discovered(dump: Dump, entry: Json) -> Json:
    """Put an ECDS configuration in the place of its discovery."""
    if "config_discovery" not in entry:
        return entry
    resource = dump.extension_configs.get(entry.get("name", ""))
    inner = snake(resource.plain()).get("typed_config") if resource is not None else None
    config = inner or entry["config_discovery"].get("default_config", {})
    return {"name": entry.get("name"), "typed_config": config}


def _hcm(dump: Dump, hcm: Json, listener: str, made: Rebuilt) -> None:
    for gone in ("access_log", "access_log_options", "tracing", "request_id_extension", "http3_protocol_options"):
        if hcm.pop(gone, None) is not None and gone == "tracing":
            made.changes.append(f"listener `{listener}`: tracing taken out")
    hcm.setdefault("stat_prefix", "envoysim")
    hcm["delayed_close_timeout"] = "0.05s"
    rds = hcm.pop("rds", None)
    if rds is not None:
        resource = dump.route_configurations.get(rds.get("route_config_name", ""))
        if resource is None:
            made.changes.append(
                f"listener `{listener}`: route configuration `{rds.get('route_config_name')}` is absent"
            )
        hcm["route_config"] = snake(resource.plain()) if resource is not None else {"name": "absent"}
    scoped = hcm.get("scoped_routes")
    if scoped is not None and "scoped_rds" in scoped:
        _inline_scopes(dump, scoped)
    for table in _tables(hcm):
        table.pop("@type", None)
        table.pop("vhds", None)
        table["validate_clusters"] = False
    kept = []
    for entry in hcm.get("http_filters", []):
        entry = _discovered(dump, entry)
        if _runnable(entry):
            kept.append(entry)
        else:
            made.changes.append(f"listener `{listener}`: http filter `{entry.get('name')}` taken out")
    hcm["http_filters"] = kept
    for upgrade in hcm.get("upgrade_configs", []):
        upgrade.pop("filters", None)
    names = {entry.get("name") for entry in kept}
    for level in _levels(hcm):
        configs = level.get("typed_per_filter_config", {})
        for name in [n for n in configs if n not in names]:
            del configs[name]


def _inline_scopes(dump: Dump, scoped: Json) -> None:
    scoped.pop("scoped_rds")
    scopes = []
    for resource in dump.scoped_routes.get(scoped.get("name", ""), ()):
        scope = snake(resource.plain())
        scope.pop("@type", None)
        table = dump.route_configurations.get(scope.pop("route_configuration_name", ""))
        if "route_configuration" not in scope and table is not None:
            scope["route_configuration"] = snake(table.plain())
        scopes.append(scope)
    scoped["scoped_route_configurations_list"] = {"scoped_route_configurations": scopes}


def _runnable(entry: Json) -> bool:
    package = _package(entry)
    if package not in KEPT_HTTP:
        return False
    return package != "jwt_authn" or "remote_jwks" not in str(entry)


def _tables(hcm: Json) -> Iterator[Json]:
    if "route_config" in hcm:
        yield hcm["route_config"]
    listed = hcm.get("scoped_routes", {}).get("scoped_route_configurations_list", {})
    for scope in listed.get("scoped_route_configurations", []):
        if "route_configuration" in scope:
            yield scope["route_configuration"]


def _levels(hcm: Json) -> Iterator[Json]:
    """Every level that may carry ``typed_per_filter_config``."""
    for table in _tables(hcm):
        yield table
        for host in table.get("virtual_hosts", []):
            yield host
            for route in host.get("routes", []):
                yield route
                yield from route.get("route", {}).get("weighted_clusters", {}).get("clusters", [])


__all__ = ["Rebuilt", "rebuild", "snake"]
