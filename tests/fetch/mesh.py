"""The resources that the control plane of the tests serves, and the bootstrap of an Envoy that asks it."""

from __future__ import annotations

from typing import Any

ADS: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}
PATIENT = {**ADS, "initial_fetch_timeout": "0s"}
"""Waits for ever: what needs it stays warming."""
URL = "type.googleapis.com/"
HTTP = "envoy.extensions.filters.network.http_connection_manager.v3."
HEADER_MUTATION = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": URL + "envoy.extensions.filters.http.router.v3.Router"},
}


def host(address: str, port: int = 8080, **more: Any) -> dict[str, Any]:
    return {"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}, **more}


def assignment(name: str, *addresses: str) -> dict[str, Any]:
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [host(a) for a in addresses]}]}


def eds(name: str, service_name: str = "", source: dict[str, Any] = ADS, **more: Any) -> dict[str, Any]:
    config: dict[str, Any] = {"eds_config": source}
    if service_name:
        config["service_name"] = service_name
    return {"name": name, "type": "EDS", "connect_timeout": "1s", "eds_cluster_config": config, **more}


def listener(name: str, port: int, *filters: dict[str, Any], **manager: Any) -> dict[str, Any]:
    config = {
        "@type": URL + HTTP + "HttpConnectionManager",
        "stat_prefix": name,
        "http_filters": [*filters, ROUTER],
        **manager,
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": config}]}
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "bind_to_port": False,
        "filter_chains": [chain],
    }


def rds(name: str, source: dict[str, Any] = ADS) -> dict[str, Any]:
    return {"rds": {"route_config_name": name, "config_source": source}}


def scoped(name: str) -> dict[str, Any]:
    fragment = {"header_value_extractor": {"name": "x-tenant", "index": 0}}
    return {
        "scoped_routes": {
            "name": name,
            "scope_key_builder": {"fragments": [fragment]},
            "rds_config_source": ADS,
            "scoped_rds": {"scoped_rds_config_source": ADS},
        }
    }


def scope(name: str, route: str, key: str) -> dict[str, Any]:
    return {"name": name, "route_configuration_name": route, "key": {"fragments": [{"string_key": key}]}}


def routes(name: str, cluster: str, *domains: str) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "2.500s"}}
    return {
        "name": name,
        "virtual_hosts": [{"name": domain, "domains": [domain], "routes": [route]} for domain in domains or ("*",)],
    }


def discovered(name: str, source: dict[str, Any] = ADS) -> dict[str, Any]:
    """An HTTP filter whose configuration comes by ECDS."""
    return {"name": name, "config_discovery": {"config_source": source, "type_urls": [URL + HEADER_MUTATION]}}


def extension(name: str) -> dict[str, Any]:
    append = {"append": {"header": {"key": "x-discovered", "value": "yes"}}}
    return {
        "name": name,
        "typed_config": {"@type": URL + HEADER_MUTATION, "mutations": {"request_mutations": [append]}},
    }


LOCALITIES = {
    "cluster_name": "reviews.default",
    "endpoints": [
        {
            "locality": {"region": "west", "zone": "b"},
            "load_balancing_weight": 3,
            "lb_endpoints": [host("10.1.0.1", load_balancing_weight=5), host("10.1.0.2", health_status="UNHEALTHY")],
        },
        {
            "locality": {"region": "east", "zone": "a"},
            "load_balancing_weight": 1,
            "lb_endpoints": [
                host("10.2.0.1", metadata={"filter_metadata": {"envoy.lb": {"version": "v2"}}}),
                host("10.2.0.2", health_status="DRAINING"),
                host("10.2.0.1"),
            ],
        },
        {"priority": 1, "lb_endpoints": [host("10.3.0.1", health_status="DEGRADED"), host("fd00::1")]},
    ],
    "policy": {
        "overprovisioning_factor": 150,
        "drop_overloads": [{"category": "throttle", "drop_percentage": {"numerator": 5}}],
    },
}
WEIGHTED = {"common_lb_config": {"locality_weighted_lb_config": {}}}
INLINE = {"load_assignment": assignment("inline", "10.9.0.1", "10.9.0.2")}


def mesh() -> dict[str, dict[str, Any]]:
    """Everything a healthy proxy gets: keyword arguments of ``ControlPlane.put``."""
    return {
        "clusters": {
            "reviews": eds("reviews", "reviews.default", **WEIGHTED),
            "ratings": eds("ratings"),
            "inline": {"name": "inline", "type": "STATIC", "connect_timeout": "0.250s", **INLINE},
            "passthrough": {"name": "passthrough", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"},
        },
        "endpoints": {
            "reviews.default": LOCALITIES,
            "ratings": assignment("ratings", "10.4.0.1", "10.4.0.2"),
        },
        "listeners": {
            "http": listener("http", 10001, **rds("main")),
            "tenants": listener("tenants", 10002, **scoped("by-tenant")),
            "filtered": listener("filtered", 10003, discovered("marker"), **rds("main")),
            "own": listener("own", 10004, route_config=routes("own-routes", "inline")),
        },
        "scoped_routes": {"a": scope("a", "tenant-a", "a"), "b": scope("b", "tenant-b", "b")},
        "routes": {
            "main": routes("main", "reviews", "reviews.example.com", "*"),
            "tenant-a": routes("tenant-a", "ratings"),
            "tenant-b": routes("tenant-b", "inline"),
        },
        "ecds": {"marker": extension("marker")},
    }


def bootstrap(address: str, *, delta: bool, node: str = "sidecar~10.0.0.1~test") -> dict[str, Any]:
    """Make the bootstrap of an Envoy that gets everything from the control plane at ``address``."""
    ip, _, port = address.rpartition(":")
    options = {"@type": URL + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"}
    return {
        "node": {"id": node, "cluster": "test"},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC" if delta else "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "control-plane"}}],
            },
            "cds_config": ADS,
            "lds_config": ADS,
        },
        "static_resources": {
            "clusters": [
                {
                    "name": "control-plane",
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "load_assignment": assignment_at("control-plane", ip, int(port)),
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                            **options,
                            "explicit_http_config": {"http2_protocol_options": {}},
                        }
                    },
                }
            ]
        },
    }


def assignment_at(name: str, address: str, port: int) -> dict[str, Any]:
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [host(address, port)]}]}
