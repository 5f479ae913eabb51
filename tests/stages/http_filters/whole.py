"""A proxy with one connection manager, for what only the whole chain shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from envoysim.load import load
from envoysim.model.behaviour import Behaviour, Upstream
from envoysim.model.request import Connection, Request
from envoysim.model.trace import Trace
from envoysim.model.world import World
from envoysim.simulate import simulate
from envoysim.stages.proxy import Proxy

HTTP = "type.googleapis.com/envoy.extensions.filters.http."
MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
FILTER_CONFIG = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
Json = dict[str, Any]


def http_filter(name: str, kind: str, config: Mapping[str, Any] | None = None, **more: Any) -> Json:
    """An entry of ``http_filters``; ``kind`` is the type below ``envoy.extensions.filters.http``."""
    return {"name": name, "typed_config": {"@type": HTTP + kind, **(config or {})}, **more}


def cluster(name: str, port: int) -> Json:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {"name": name, "connect_timeout": "1s", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def bootstrap(filters: Sequence[Json], route_config: Json, *clusters: Json, **manager: Any) -> Json:
    """A bootstrap with a listener, its filters (a router behind them) and its routes."""
    config = {
        "@type": MANAGER,
        "stat_prefix": "test",
        "route_config": route_config,
        "http_filters": [*filters, http_filter("router", "router.v3.Router")],
        **manager,
    }
    listener = {
        "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 8080}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": config}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": list(clusters or [cluster("c", 9001)])}}


def routes(*listed: Json, host: Json | None = None, table: Json | None = None) -> Json:
    """A route configuration with one virtual host; ``host`` and ``table`` are fields of their own."""
    return {
        "name": "rc",
        "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": list(listed), **(host or {})}],
        **(table or {}),
    }


def make_proxy(source: Json) -> Proxy:
    return Proxy(load([json.dumps(source).encode()]))


def play(proxy: Proxy, path: str = "/", *, world: World | None = None, **fields: Any) -> Trace:
    """Send a request to the only listener."""
    asked = Request(authority="foo.com", path=path, connection=Connection(listener="l"), **fields)
    return simulate(proxy, asked, world)


def answering(cluster_name: str, *behaviours: Behaviour) -> World:
    """A world where a cluster's endpoints have standing behaviours."""
    return World(upstreams={cluster_name: Upstream(behaviours=behaviours)})
