"""A small healthy proxy as a config dump, and the places in any dump where it can be broken."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from envoysim.load import load
from envoysim.load.dump import Dump

Json = dict[str, Any]
FIXTURES = Path(__file__).parents[2] / "fixtures"
TYPE = "type.googleapis.com/"
ADMIN = TYPE + "envoy.admin.v3."
HCM = TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
TCP_PROXY = TYPE + "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
TLS = TYPE + "envoy.extensions.transport_sockets.tls.v3."
HTTP = TYPE + "envoy.extensions.filters.http."
ROUTER = {"name": "envoy.filters.http.router", "typed_config": {"@type": HTTP + "router.v3.Router"}}
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def cluster(name: str) -> Json:
    """A cluster that no rule has anything to say about."""
    protocol = {
        "@type": TYPE + OPTIONS,
        "explicit_http_config": {"http_protocol_options": {}},
        "common_http_protocol_options": {"idle_timeout": "30s"},
    }
    return {
        "@type": TYPE + "envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "EDS",
        "connect_timeout": "1s",
        "eds_cluster_config": {"eds_config": {"ads": {}}},
        "typed_extension_protocol_options": {OPTIONS: protocol},
    }


def assignment(name: str, *addresses: str) -> Json:
    """Endpoints of a cluster, all in one locality."""
    endpoints = [{"endpoint": {"address": address(a, 8080)}, "health_status": "HEALTHY"} for a in addresses]
    kind = TYPE + "envoy.config.endpoint.v3.ClusterLoadAssignment"
    return {"@type": kind, "cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}


def address(ip: str, port: int) -> Json:
    """A socket address."""
    return {"socket_address": {"address": ip, "port_value": port}}


def listener(name: str, port: int, table: str, **more: Any) -> Json:
    """A plaintext listener whose connection manager uses a route table."""
    manager = {
        "@type": HCM,
        "stat_prefix": name,
        "rds": {"route_config_name": table, "config_source": {"ads": {}}},
        "normalize_path": True,
        "merge_slashes": True,
        "http_filters": [ROUTER],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    chains = [{"filters": filters, **more}]
    kind = TYPE + "envoy.config.listener.v3.Listener"
    return {"@type": kind, "name": name, "address": address("0.0.0.0", port), "filter_chains": chains}


def healthy() -> Json:
    """Two clusters, two route tables (one of them for TLS), three routes."""
    web = {
        "name": "web",
        "domains": ["shop.example", "shop.example:*"],
        "routes": [
            {"name": "pay", "match": {"path": "/pay"}, "route": {"cluster": "pay", "timeout": "5s"}},
            {"name": "rest", "match": {"prefix": "/"}, "route": {"cluster": "web", "timeout": "5s"}},
        ],
    }
    everything = {"match": {"prefix": "/"}, "route": {"cluster": "web", "timeout": "5s"}}
    tls = {"name": "tls", "domains": ["*"], "routes": [everything]}
    context = {"@type": TLS + "DownstreamTlsContext", "common_tls_context": {"alpn_protocols": ["h2", "http/1.1"]}}
    socket = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    secure = listener("tls", 443, "tls", transport_socket=socket)
    inspector = {"@type": TYPE + "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}
    secure["listener_filters"] = [{"name": "envoy.filters.listener.tls_inspector", "typed_config": inspector}]
    kind = TYPE + "envoy.config.route.v3.RouteConfiguration"
    sections: dict[str, Json] = {
        "ClustersConfigDump": {"dynamic_active_clusters": [{"cluster": cluster(n)} for n in ("web", "pay")]},
        "EndpointsConfigDump": {
            "dynamic_endpoint_configs": [
                {"endpoint_config": assignment("web", "10.0.0.1", "10.0.0.2")},
                {"endpoint_config": assignment("pay", "10.0.0.3")},
            ]
        },
        "ListenersConfigDump": {
            "dynamic_listeners": [
                {"name": "web", "active_state": {"listener": listener("web", 80, "web")}},
                {"name": "tls", "active_state": {"listener": secure}},
            ]
        },
        "RoutesConfigDump": {
            "dynamic_route_configs": [
                {"route_config": {"@type": kind, "name": "web", "virtual_hosts": [web]}},
                {"route_config": {"@type": kind, "name": "tls", "virtual_hosts": [tls]}},
            ]
        },
        "SecretsConfigDump": {},
    }
    return {"configs": [{"@type": ADMIN + name, **section} for name, section in sections.items()]}


def fixture(name: str) -> Json:
    """One of the project's dumps of the real Envoy."""
    found: Json = json.loads((FIXTURES / name / "config_dump.json").read_text(encoding="utf-8"))
    return found


def loaded(document: Json) -> Dump:
    """Load a document."""
    return load([json.dumps(document).encode()])


class Site:
    """A document, and the first places in it that belong together: a listener, its table, a route, its cluster.

    Raises LookupError where the document has no forwarding route to a cluster it knows.
    """

    def __init__(self, document: Json) -> None:
        self.document = copy.deepcopy(document)
        self.sections = {c["@type"].rsplit(".", 1)[-1]: c for c in self.document["configs"]}
        self.clusters = {c["name"]: c for c in self._states("ClustersConfigDump", "cluster")}
        self.listeners = list(self._states("ListenersConfigDump", "listener"))
        tables = {t["name"]: t for t in self._states("RoutesConfigDump", "route_config")}
        self.listener, self.chain, self.manager, self.table, self.host, self.route = self._serving(tables)
        self.cluster = self.clusters[self.route["route"]["cluster"]]
        wanted = self.cluster.get("eds_cluster_config", {}).get("service_name") or self.cluster["name"]
        sets = [e for e in self._states("EndpointsConfigDump", "endpoint_config") if e["cluster_name"] == wanted]
        self.assignment: Json = sets[0]
        if "load_assignment" in self.cluster:
            self.cluster["load_assignment"] = self.assignment
        self.tls = [c for x in self.listeners for c in x.get("filter_chains", ()) if "transport_socket" in c]

    def _states(self, section: str, key: str) -> list[Json]:
        found = []
        for name, items in self.sections.get(section, {}).items():
            if isinstance(items, list) and "warming" not in name:
                found += [item.get("active_state", item).get(key, {}) for item in items]
        return found

    def _serving(self, tables: dict[str, Json]) -> tuple[Any, ...]:
        for each in self.listeners:
            for chain in each.get("filter_chains", ()):
                for filter_ in chain["filters"]:
                    manager = filter_["typed_config"]
                    if manager["@type"] != HCM:
                        continue
                    table = manager.get("route_config") or tables.get(manager.get("rds", {}).get("route_config_name"))
                    for host in table["virtual_hosts"] if table else ():
                        for route in host.get("routes", ()):
                            if route.get("route", {}).get("cluster") in self.clusters:
                                return each, chain, manager, table, host, route
        raise LookupError("no forwarding route")

    def section(self, name: str, key: str) -> list[Any]:
        """A list of a section, made if it is not there."""
        if name not in self.sections:
            self.sections[name] = {"@type": ADMIN + name}
            self.document["configs"].append(self.sections[name])
        items: list[Any] = self.sections[name].setdefault(key, [])
        return items

    @property
    def action(self) -> Json:
        """The route's forwarding action."""
        found: Json = self.route["route"]
        return found

    @property
    def endpoint(self) -> Json:
        """The cluster's first endpoint."""
        found: Json = self.assignment["endpoints"][0]["lb_endpoints"][0]
        return found

    def add_filter(self, kind: str, config: Json, name: str = "") -> None:
        """Put an HTTP filter first."""
        entry = {"name": name or kind, "typed_config": {"@type": HTTP + kind, **config}}
        self.manager["http_filters"].insert(0, entry)

    def add_route(self, position: int = 0, **route: Any) -> None:
        """Insert a route into the virtual host."""
        self.host["routes"].insert(position, route)

    def add_cluster(self, **fields: Any) -> Json:
        """Add a cluster."""
        made = {**cluster(fields["name"]), **fields}
        self.section("ClustersConfigDump", "dynamic_active_clusters").append({"cluster": made})
        return made

    def add_endpoints(self, made: Json) -> None:
        """Add endpoints."""
        self.section("EndpointsConfigDump", "dynamic_endpoint_configs").append({"endpoint_config": made})

    def add_listener(self, made: Json, **state: Any) -> None:
        """Add a listener."""
        item = state or {"active_state": {"listener": made}}
        self.section("ListenersConfigDump", "dynamic_listeners").append({"name": made["name"], **item})

    def add_table(self, made: Json) -> None:
        """Add a route configuration."""
        made = {"@type": TYPE + "envoy.config.route.v3.RouteConfiguration", **made}
        self.section("RoutesConfigDump", "dynamic_route_configs").append({"route_config": made})

    def downstream_context(self) -> Json:
        """The TLS context of the first chain that has one; LookupError if there is none."""
        found: Json = self.tls[0]["transport_socket"]["typed_config"]
        return found

    def upstream_context(self, **fields: Any) -> Json:
        """Give the cluster a TLS context."""
        context = {"@type": TLS + "UpstreamTlsContext", **fields}
        self.cluster.pop("transport_socket_matches", None)
        self.cluster["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
        return context

    def options(self, **fields: Any) -> None:
        """Give the cluster HTTP protocol options."""
        fields.setdefault("explicit_http_config", {"http_protocol_options": {}})
        self.cluster["typed_extension_protocol_options"] = {OPTIONS: {"@type": TYPE + OPTIONS, **fields}}
