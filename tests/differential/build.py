"""What every theme builds its cases from: ports, clusters, connection managers, listeners, requests."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass, field, replace
from typing import Any

from envoysim.model.behaviour import Behaviour, Upstream
from envoysim.model.request import Connection, ProxyProtocol, Request, Tls
from envoysim.verify.certificates import self_signed
from envoysim.verify.ports import free_ports

from . import words
from .generate import Case

Json = dict[str, Any]
TYPE = "type.googleapis.com/"
HTTP = TYPE + "envoy.extensions.filters.http."
NETWORK = TYPE + "envoy.extensions.filters.network."
LISTENER = TYPE + "envoy.extensions.filters.listener."
ROUTER: Json = {"name": "router", "typed_config": {"@type": HTTP + "router.v3.Router"}}
PROXY_PROTOCOL: Json = {"name": "proxy", "typed_config": {"@type": LISTENER + "proxy_protocol.v3.ProxyProtocol"}}
TLS_INSPECTOR: Json = {"name": "tls", "typed_config": {"@type": LISTENER + "tls_inspector.v3.TlsInspector"}}
HTTP_INSPECTOR: Json = {"name": "http", "typed_config": {"@type": LISTENER + "http_inspector.v3.HttpInspector"}}
HTTP2: Json = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}


@dataclass(slots=True)
class Bench:
    """A case in the making; ``rng`` decides everything but the ports."""

    rng: random.Random
    listeners: list[Json] = field(default_factory=list)
    clusters: list[Json] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    cluster_of: dict[str, str] = field(default_factory=dict)
    dead: list[str] = field(default_factory=list)
    held: list[socket.socket] = field(default_factory=list)
    """Keep others from listening on the ports of dead endpoints."""
    runtime: Json = field(default_factory=dict)
    upstreams: dict[str, Upstream] = field(default_factory=dict)
    side: set[str] = field(default_factory=set)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def one(self, *options: Any) -> Any:
        return self.rng.choice(options)

    def endpoint(self, cluster: str, *, dead: bool = False, **fields: Any) -> Json:
        """A scripted endpoint; nobody listens where it is dead."""
        (port,) = free_ports(1)
        if dead:
            self.dead.append(f"127.0.0.1:{port}")
            self.held.append(hold(port))
        self.cluster_of[f"127.0.0.1:{port}"] = cluster
        return {"endpoint": {"address": address(port)}, **fields}

    def service(self, name: str, behaviours: tuple[Behaviour, ...]) -> str:
        """A cluster that filters ask, whose endpoint answers with ``behaviours`` in turn."""
        entry = self.endpoint(name)
        port = entry["endpoint"]["address"]["socket_address"]["port_value"]
        self.upstreams[f"127.0.0.1:{port}"] = Upstream(behaviours=behaviours)
        self.side.add(f"127.0.0.1:{port}")
        return self.cluster(name, localities=[{"lb_endpoints": [entry]}])

    def cluster(self, name: str, endpoints: int = 1, **fields: Any) -> str:
        """A cluster with plain endpoints, or with the ``localities`` given."""
        localities = fields.pop("localities", None)
        if localities is None:
            localities = [{"lb_endpoints": [self.endpoint(name) for _ in range(endpoints)]}]
        self.clusters.append(
            {"name": name, "load_assignment": {"cluster_name": name, "endpoints": localities}, **fields}
        )
        return name

    def listener(self, chains: list[Json], name: str = "l0", **fields: Any) -> str:
        """A listener with a port; return ``127.0.0.1:port``."""
        (port,) = free_ports(1)
        self.listeners.append({"name": name, "address": address(port), "filter_chains": chains, **fields})
        return f"127.0.0.1:{port}"

    def serve(self, routes: list[Json], filters: list[Json] | None = None, **manager: Any) -> str:
        """A listener whose connection manager has one virtual host for everything."""
        table = {"name": "rc", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]}
        return self.listener([{"name": "only", "filters": [hcm(table, filters, **manager)]}])

    def send(self, destination: str, listener: str = "l0", **fields: Any) -> None:
        """Add a request; connection fields are given by name as well."""
        connection = {
            k: fields.pop(k)
            for k in ("protocol", "tls", "proxy_protocol", "source", "original_destination", "reuse")
            if k in fields
        }
        fields.setdefault("authority", "foo.com")
        made = Connection(listener=listener, destination=destination, **connection)
        fields.setdefault("id", str(len(self.requests)))
        self.requests.append(Request(connection=made, **fields))

    def case(self, seed: int, theme: str) -> Case:
        """Return the finished case."""
        bootstrap: Json = {
            "node": {"id": "n", "cluster": "nc"},
            "static_resources": {"listeners": self.listeners, "clusters": self.clusters},
        }
        if self.runtime:
            bootstrap["layered_runtime"] = {"layers": [{"name": "static", "static_layer": self.runtime}]}
        alive = tuple(e for e in self.cluster_of if e not in self.dead)
        case = Case(seed, bootstrap, tuple(self.requests), alive)
        case = replace(case, upstreams=dict(self.upstreams), side=frozenset(self.side))
        return replace(case, theme=theme, clusters=dict(self.cluster_of), dead=tuple(self.dead), held=tuple(self.held))


def hold(port: int) -> socket.socket:
    """Take a port without listening: connections to it are refused as long as the socket lives."""
    held = socket.socket()
    held.bind(("127.0.0.1", port))
    return held


def address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def hcm(table: Json | None, filters: list[Json] | None = None, **fields: Any) -> Json:
    """A connection manager as a network filter."""
    config: Json = {"@type": NETWORK + "http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "in"}
    if table is not None:
        config["route_config"] = {"validate_clusters": False, **table}
    config["http_filters"] = [*(filters or []), ROUTER]
    return {"name": "hcm", "typed_config": {**config, **fields}}


def http_filter(kind: str, config: Json | None = None, name: str = "") -> Json:
    return {"name": name or kind.partition(".")[0], "typed_config": {"@type": HTTP + kind, **(config or {})}}


def route(name: str, match: Json, cluster: str = "c0", /, **fields: Any) -> Json:
    """A route; fields of the action are told from those of the route by ``action``."""
    action = fields.pop("action", {})
    if not action.keys() & {"weighted_clusters", "cluster_header", "inline_cluster_specifier_plugin"}:
        action = {"cluster": cluster, **action}
    return {"name": name, "match": match, "route": action, **fields}


def downstream_tls(*alpn: str) -> Json:
    certificate, key = self_signed()
    common: Json = {
        "tls_certificates": [
            {"certificate_chain": {"inline_string": certificate}, "private_key": {"inline_string": key}}
        ]
    }
    if alpn:
        common["alpn_protocols"] = list(alpn)
    kind = TYPE + "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    return {"name": "tls", "typed_config": {"@type": kind, "common_tls_context": common}}


def some_headers(rng: random.Random, most: int = 3) -> tuple[tuple[str, str], ...]:
    return tuple((rng.choice(words.HEADERS), rng.choice(words.VALUES)) for _ in range(rng.randint(0, most)))


def replies(*statuses: int) -> tuple[Behaviour, ...]:
    return tuple(Behaviour(status=status, body="up") for status in statuses)


__all__ = ["HTTP2", "Behaviour", "Bench", "Json", "ProxyProtocol", "Request", "Tls", "hcm", "route", "words"]
