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


def secret(name: str) -> dict[str, Any]:
    """A reference to a secret that comes by SDS."""
    return {"name": name, "sds_config": ADS}


def rich() -> dict[str, dict[str, Any]]:
    """More of what JSON can spell in more than one way: ``mesh()`` with unusual fields and types."""
    parts = mesh()
    tls = {
        "@type": URL + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {"validation_context_sds_secret_config": secret("authorities")},
        "sni": "secure.example.com",
    }
    struct = {"number": 1.5, "whole": 3, "none": None, "list": [True, "x", {"deep": {}}], "empty": []}
    parts["clusters"] |= {
        "secure": {
            "name": "secure",
            "type": "STATIC",
            "connect_timeout": "5s",
            "load_assignment": assignment("secure", "10.6.0.1"),
            "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
            "circuit_breakers": {"thresholds": [{"max_connections": 0, "max_retries": 7, "track_remaining": True}]},
            "metadata": {"filter_metadata": {"of": struct}},
            "outlier_detection": {"interval": "0.000000001s", "consecutive_5xx": 5},
            "common_lb_config": {"healthy_panic_threshold": {"value": 33.3}},
            "respect_dns_ttl": True,
        },
        "subset": eds(
            "subset", lb_subset_config={"fallback_policy": "ANY_ENDPOINT", "subset_selectors": [{"keys": ["v"]}]}
        ),
    }
    parts["endpoints"]["subset"] = {
        "cluster_name": "subset",
        "endpoints": [
            {
                "locality": {"region": "r", "zone": "z", "sub_zone": "s"},
                "priority": 2,
                "lb_endpoints": [
                    {
                        "endpoint": {
                            "address": {"socket_address": {"address": "2001:DB8::0:1", "port_value": 1}},
                            "hostname": "named",
                            "health_check_config": {"port_value": 9, "hostname": "checked"},
                        },
                        "metadata": {"filter_metadata": {"envoy.lb": {"v": 1, "w": struct}}},
                        "load_balancing_weight": 128,
                    },
                    {"endpoint": {"address": {"pipe": {"path": "/nowhere/socket"}}}},
                ],
            },
            {
                "locality": {"region": "r", "zone": "z", "sub_zone": "s"},
                "priority": 2,
                "lb_endpoints": [host("10.7.0.2", health_status="TIMEOUT")],
            },
        ],
    }
    parts["secrets"] = {
        "authorities": {"name": "authorities", "validation_context": {"trust_chain_verification": "ACCEPT_UNTRUSTED"}}
    }
    parts["routes"]["main"]["virtual_hosts"][0]["routes"] = [
        {
            "name": "regex",
            "match": {
                "safe_regex": {"regex": "/a\\d+"},
                "headers": [{"name": "x-é", "range_match": {"start": "-5", "end": "9007199254740993"}}],
                "runtime_fraction": {"default_value": {"numerator": 5, "denominator": "TEN_THOUSAND"}},
            },
            "direct_response": {"status": 503, "body": {"inline_bytes": "AAH/"}},
            "metadata": {"filter_metadata": {"b": {"z": 1, "a": [1e300, -0.25, 12345678901]}}},
        },
        {
            "match": {"path_separated_prefix": "/b"},
            "route": {
                "weighted_clusters": {"clusters": [{"name": "reviews", "weight": 0}, {"name": "secure", "weight": 9}]},
                "retry_policy": {"retry_on": "5xx", "retriable_status_codes": [500, 599], "num_retries": 0},
                "hash_policy": [{"cookie": {"name": "c", "ttl": "0s"}, "terminal": True}],
                "idle_timeout": "0s",
            },
            "response_headers_to_add": [{"header": {"key": "k", "value": ""}, "keep_empty_value": True}],
        },
        {"match": {"prefix": "/", "case_sensitive": False}, "redirect": {"https_redirect": True, "strip_query": True}},
    ]
    parts["listeners"]["http"]["default_filter_chain"] = {
        "filters": [
            {
                "name": "tcp",
                "typed_config": {
                    "@type": URL + "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                    "stat_prefix": "tcp",
                    "cluster": "inline",
                    "idle_timeout": "3600s",
                },
            }
        ]
    }
    return parts


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
