"""Write a config_dump of any size in the shape of an Istio sidecar's.

``python benchmarks/mesh.py --megabytes 64 -o mesh.json``

Services x ports x subsets: ``outbound|port|subset|fqdn`` clusters with mutual TLS by endpoint, EDS sections, one route
configuration per HTTP port with a virtual host per service (names short and long, the service's IP), a listener
per HTTP port and one per TCP service, ``virtualOutbound`` and ``virtualInbound``, a bootstrap. The same arguments
give the same bytes. Printed as Envoy's admin interface prints it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]
TYPE = "type.googleapis.com/"
EXT = "envoy.extensions.filters."
TIME = "2025-11-25T08:00:00.000Z"
HTTP_PORTS = (8080, 9080, 80, 9090, 8000, 3000)
TCP_PORTS = (3306, 5432, 6379)
WORDS = "cart order price user stock mail search offer image audit login stream ledger report quote map".split()
LOG_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% '
    '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% '
    "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)
RETRIES = {
    "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
    "num_retries": 2,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {"@type": f"{TYPE}envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
        }
    ],
    "host_selection_retry_max_attempts": "5",
    "retriable_status_codes": [503],
}


def typed(name: str, kind: str, **fields: Any) -> Json:
    return {"name": name, "typed_config": {"@type": TYPE + kind, **fields}}


LOG = [
    typed(
        "envoy.access_loggers.file",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        path="/dev/stdout",
        log_format={"text_format_source": {"inline_string": LOG_FORMAT}},
    )
]


class Service:
    """One service of the mesh: everything about it follows from its number."""

    def __init__(self, number: int) -> None:
        chance = random.Random(number)
        self.number = number
        self.short = f"{WORDS[number % len(WORDS)]}-{number:05d}"
        self.namespace = f"team-{number % 97:02d}"
        self.host = f"{self.short}.{self.namespace}.svc.cluster.local"
        self.ip = f"10.{96 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"
        self.tcp_port = TCP_PORTS[number % 3] if number % 12 == 7 else None
        self.http_ports = () if self.tcp_port else HTTP_PORTS[number % 2 :: 2][: 1 + number % 3]
        self.subsets = ("v1", "v2", "v3")[: number % 4] if self.http_ports else ()
        self.pods = [
            (f"10.{244 + number // 16000 % 8}.{number // 64 % 250}.{number % 64 * 4 + i}", chance.choice("abc"))
            for i in range(1 + number % 4)
        ]

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.tcp_port,) if self.tcp_port else self.http_ports

    def cluster(self, port: int, subset: str = "") -> str:
        return f"outbound|{port}|{subset}|{self.host}"


# --- clusters and endpoints ------------------------------------------------------------------------------------------


def certificates(name: str) -> Json:
    return {
        "name": name,
        "sds_config": {
            "api_config_source": {
                "api_type": "GRPC",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "sds-grpc"}}],
                "set_node_on_first_message_only": True,
                "transport_api_version": "V3",
            },
            "initial_fetch_timeout": "0s",
            "resource_api_version": "V3",
        },
    }


def mutual_tls(service: Service, port: int, subset: str) -> Json:
    tls = typed(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        common_tls_context={
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
            "alpn_protocols": ["istio-peer-exchange", "istio"],
            "tls_certificate_sds_secret_configs": [certificates("default")],
            "combined_validation_context": {
                "default_validation_context": {
                    "match_subject_alt_names": [
                        {"exact": f"spiffe://cluster.local/ns/{service.namespace}/sa/{service.short}"}
                    ]
                },
                "validation_context_sds_secret_config": certificates("ROOTCA"),
            },
        },
        sni=f"outbound_.{port}_.{subset}_.{service.host}",
    )
    return {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": tls}


PLAINTEXT = {
    "name": "tlsMode-disabled",
    "match": {},
    "transport_socket": typed(
        "envoy.transport_sockets.raw_buffer", "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
    ),
}
METADATA_EXCHANGE = typed(
    "istio.metadata_exchange",
    "udpa.type.v1.TypedStruct",
    type_url=f"{TYPE}envoy.tcp.metadataexchange.config.MetadataExchange",
    value={"enable_discovery": True, "protocol": "istio-peer-exchange"},
)


def cluster(service: Service, port: int, subset: str) -> Json:
    name = service.cluster(port, subset)
    config: Json = {
        "@type": f"{TYPE}envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {
            "eds_config": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
            "service_name": name,
        },
        "connect_timeout": "10s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 4294967295,
                    "max_pending_requests": 4294967295,
                    "max_requests": 4294967295,
                    "max_retries": 4294967295,
                    "track_remaining": True,
                }
            ]
        },
        "metadata": {
            "filter_metadata": {
                "istio": {
                    "default_original_port": port,
                    "services": [{"host": service.host, "name": service.short, "namespace": service.namespace}],
                    **({"subset": subset} if subset else {}),
                }
            }
        },
        "common_lb_config": {},
        "filters": [METADATA_EXCHANGE],
        "transport_socket_matches": [mutual_tls(service, port, subset), PLAINTEXT],
    }
    if service.number % 5 == 0:
        config["common_lb_config"] = {"locality_weighted_lb_config": {}}
        config["outlier_detection"] = {
            "consecutive_5xx": 5,
            "interval": "30s",
            "base_ejection_time": "60s",
            "max_ejection_percent": 50,
        }
    return {"version_info": VERSION, "cluster": config, "last_updated": TIME}


VERSION = "2025-11-25T08:00:00Z/1234"


def special_clusters() -> Iterator[Json]:
    for name, kind in (
        ("BlackHoleCluster", "STATIC"),
        ("PassthroughCluster", "ORIGINAL_DST"),
        ("InboundPassthroughCluster", "ORIGINAL_DST"),
        ("inbound|8080||", "ORIGINAL_DST"),
    ):
        config: Json = {
            "@type": f"{TYPE}envoy.config.cluster.v3.Cluster",
            "name": name,
            "type": kind,
            "connect_timeout": "10s",
        }
        if kind == "ORIGINAL_DST":
            config["lb_policy"] = "CLUSTER_PROVIDED"
        yield {"version_info": VERSION, "cluster": config, "last_updated": TIME}


def endpoints(service: Service, port: int, subset: str) -> Json:
    zones: dict[str, list[Json]] = {}
    for index, (ip, zone) in enumerate(service.pods):
        if subset and index % len(service.subsets) != service.subsets.index(subset) and index:
            continue
        zones.setdefault(zone, []).append(
            {
                "endpoint": {
                    "address": {"socket_address": {"address": ip, "port_value": port}},
                    "health_check_config": {},
                },
                "health_status": "UNHEALTHY" if service.number % 50 == 3 and index == 1 else "HEALTHY",
                "metadata": {
                    "filter_metadata": {
                        "envoy.transport_socket_match": {"tlsMode": "istio"},
                        "istio": {
                            "workload": f"{service.short}-{subset};{service.namespace};{service.short};;Kubernetes"
                        },
                    }
                },
                "load_balancing_weight": 1,
            }
        )
    config = {
        "@type": f"{TYPE}envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": service.cluster(port, subset),
        "endpoints": [
            {
                "locality": {"region": "eu-1", "zone": f"eu-1{zone}"},
                "lb_endpoints": pods,
                "load_balancing_weight": len(pods),
            }
            for zone, pods in sorted(zones.items())
        ],
        "policy": {"overprovisioning_factor": 140},
    }
    return {"endpoint_config": config}


# --- routes ----------------------------------------------------------------------------------------------------------


def route(service: Service, port: int, match: Json, action: Json, name: str = "default") -> Json:
    folder = f"/apis/networking.istio.io/v1/namespaces/{service.namespace}/virtual-service"
    return {
        "match": match,
        "route": {
            **action,
            "timeout": "0s",
            "retry_policy": RETRIES,
            "max_grpc_timeout": "0s",
        },
        "metadata": {"filter_metadata": {"istio": {"config": f"{folder}/{service.short}"}}},
        "decorator": {"operation": f"{service.host}:{port}/*"},
        "name": name,
    }


def virtual_host(service: Service, port: int) -> Json:
    routes = []
    if len(service.subsets) > 1:
        jason = {"prefix": "/", "headers": [{"name": "end-user", "string_match": {"exact": "jason"}}]}
        api = {"path_separated_prefix": f"/api/{service.short}"}
        item = {"safe_regex": {"regex": f"/{service.short}/[0-9]+/(details|ratings)"}}
        for match, subset, name in ((jason, "v2", "jason"), (api, "v1", "api"), (item, "v2", "items")):
            routes.append(route(service, port, match, {"cluster": service.cluster(port, subset)}, name))
        split = [(service.subsets[0], 80), (service.subsets[-1], 20)]
        weighted = {"clusters": [{"name": service.cluster(port, s), "weight": w} for s, w in split]}
        routes.append(route(service, port, {"prefix": "/"}, {"weighted_clusters": weighted}))
    else:
        routes.append(route(service, port, {"prefix": "/"}, {"cluster": service.cluster(port)}))
    names = [
        service.host,
        service.short,
        f"{service.short}.{service.namespace}.svc",
        f"{service.short}.{service.namespace}",
        service.ip,
    ]
    return {
        "name": f"{service.host}:{port}",
        "domains": names,
        "routes": routes,
        "include_request_attempt_count": True,
    }


def passthrough() -> Json:
    action = {"cluster": "PassthroughCluster", "timeout": "0s", "max_grpc_timeout": "0s"}
    return {
        "name": "allow_any",
        "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "route": action, "name": "allow_any"}],
        "include_request_attempt_count": True,
    }


def route_configuration(port: int, services: list[Service]) -> Json:
    config = {
        "@type": f"{TYPE}envoy.config.route.v3.RouteConfiguration",
        "name": str(port),
        "virtual_hosts": [*(virtual_host(s, port) for s in services if port in s.http_ports), passthrough()],
        "validate_clusters": False,
        "max_direct_response_body_size_bytes": 1048576,
        "ignore_port_in_host_matching": True,
    }
    return {"version_info": VERSION, "route_config": config, "last_updated": TIME}


# --- listeners -------------------------------------------------------------------------------------------------------

LISTENER_FILTERS = [
    typed("envoy.filters.listener.tls_inspector", f"{EXT}listener.tls_inspector.v3.TlsInspector"),
    typed("envoy.filters.listener.http_inspector", f"{EXT}listener.http_inspector.v3.HttpInspector"),
]
ORIGINAL_DST = typed("envoy.filters.listener.original_dst", f"{EXT}listener.original_dst.v3.OriginalDst")
ROUTER = typed("envoy.filters.http.router", f"{EXT}http.router.v3.Router")


def tcp_proxy(cluster_name: str) -> Json:
    kind = f"{EXT}network.tcp_proxy.v3.TcpProxy"
    return typed(
        "envoy.filters.network.tcp_proxy", kind, stat_prefix=cluster_name, cluster=cluster_name, access_log=LOG
    )


def connection_manager(prefix: str, http_filters: list[Json], **routes: Any) -> Json:
    return typed(
        "envoy.filters.network.http_connection_manager",
        f"{EXT}network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=prefix,
        **routes,
        http_filters=http_filters,
        access_log=LOG,
        use_remote_address=False,
        upgrade_configs=[{"upgrade_type": "websocket"}],
        stream_idle_timeout="0s",
        normalize_path=True,
        path_with_escaped_slashes_action="KEEP_UNCHANGED",
        request_id_extension={
            "typed_config": {
                "@type": f"{TYPE}envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                "use_request_id_for_trace_sampling": True,
            }
        },
    )


def listener(name: str, ip: str, port: int, direction: str, chains: list[Json], **fields: Any) -> Json:
    config = {
        "@type": f"{TYPE}envoy.config.listener.v3.Listener",
        "name": name,
        "address": {"socket_address": {"address": ip, "port_value": port}},
        "filter_chains": chains,
        "traffic_direction": direction,
        **fields,
    }
    return {"name": name, "active_state": {"version_info": VERSION, "listener": config, "last_updated": TIME}}


def http_listener(port: int) -> Json:
    fault = typed("envoy.filters.http.fault", f"{EXT}http.fault.v3.HTTPFault")
    cors = typed("envoy.filters.http.cors", f"{EXT}http.cors.v3.Cors")
    rds = {
        "config_source": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
        "route_config_name": str(port),
    }
    chain = {
        "filter_chain_match": {"transport_protocol": "raw_buffer", "application_protocols": ["http/1.1", "h2c"]},
        "filters": [connection_manager(f"outbound_0.0.0.0_{port}", [fault, cors, ROUTER], rds=rds)],
    }
    return listener(
        f"0.0.0.0_{port}",
        "0.0.0.0",
        port,
        "OUTBOUND",
        [chain],
        default_filter_chain={"filters": [tcp_proxy("PassthroughCluster")], "name": "PassthroughFilterChain"},
        listener_filters=LISTENER_FILTERS,
        listener_filters_timeout="0s",
        continue_on_listener_filters_timeout=True,
        bind_to_port=False,
    )


def tcp_listener(service: Service) -> Json:
    port = service.tcp_port or 0
    chain = {"filters": [tcp_proxy(service.cluster(port))]}
    return listener(f"{service.ip}_{port}", service.ip, port, "OUTBOUND", [chain], bind_to_port=False)


def virtual_listeners() -> Iterator[Json]:
    hole = {
        "filter_chain_match": {"destination_port": 15001},
        "filters": [tcp_proxy("BlackHoleCluster")],
        "name": "virtualOutbound-blackhole",
    }
    rest = {"filters": [tcp_proxy("PassthroughCluster")], "name": "virtualOutbound-catchall-tcp"}
    yield listener("virtualOutbound", "0.0.0.0", 15001, "OUTBOUND", [hole, rest], use_original_dst=True, access_log=LOG)
    inline = {
        "name": "inbound|8080||",
        "virtual_hosts": [
            {
                "name": "inbound|http|8080",
                "domains": ["*"],
                "routes": [
                    {
                        "match": {"prefix": "/"},
                        "route": {"cluster": "inbound|8080||", "timeout": "0s", "max_grpc_timeout": "0s"},
                        "name": "default",
                    }
                ],
            }
        ],
        "validate_clusters": False,
    }
    app = {
        "filter_chain_match": {"destination_port": 8080, "transport_protocol": "raw_buffer"},
        "filters": [connection_manager("inbound_0.0.0.0_8080", [ROUTER], route_config=inline)],
        "name": "0.0.0.0_8080",
    }
    passed = {
        "filter_chain_match": {"transport_protocol": "raw_buffer"},
        "filters": [tcp_proxy("InboundPassthroughCluster")],
        "name": "virtualInbound",
    }
    yield listener(
        "virtualInbound",
        "0.0.0.0",
        15006,
        "INBOUND",
        [app, passed],
        listener_filters=[ORIGINAL_DST, *LISTENER_FILTERS],
        listener_filters_timeout="0s",
        continue_on_listener_filters_timeout=True,
        access_log=LOG,
    )


# --- the dump --------------------------------------------------------------------------------------------------------


def bootstrap() -> Json:
    return {
        "node": {
            "id": "sidecar~10.244.1.17~shop-front-6bc.team-00~team-00.svc.cluster.local",
            "cluster": "shop-front.team-00",
            "locality": {"region": "eu-1", "zone": "eu-1a"},
        },
        "dynamic_resources": {
            "lds_config": {"ads": {}, "resource_api_version": "V3"},
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
        },
        "layered_runtime": {
            "layers": [{"name": "global config", "static_layer": {"re2.max_program_size.error_level": 32768}}]
        },
    }


def mesh(services: list[Service]) -> Json:
    """Return the config_dump of a sidecar that sees ``services``."""
    places = [(s, port, subset) for s in services for port in s.ports for subset in ("", *s.subsets)]
    admin = f"{TYPE}envoy.admin.v3."
    sections: list[Json] = [
        {"@type": f"{admin}BootstrapConfigDump", "bootstrap": bootstrap(), "last_updated": TIME},
        {
            "@type": f"{admin}ClustersConfigDump",
            "version_info": VERSION,
            "dynamic_active_clusters": [*special_clusters(), *(cluster(*place) for place in places)],
        },
        {
            "@type": f"{admin}EndpointsConfigDump",
            "dynamic_endpoint_configs": [endpoints(*place) for place in places],
        },
        {
            "@type": f"{admin}ListenersConfigDump",
            "version_info": VERSION,
            "dynamic_listeners": [
                *virtual_listeners(),
                *(http_listener(port) for port in HTTP_PORTS),
                *(tcp_listener(s) for s in services if s.tcp_port),
            ],
        },
        {"@type": f"{admin}ScopedRoutesConfigDump"},
        {
            "@type": f"{admin}RoutesConfigDump",
            "dynamic_route_configs": [route_configuration(port, services) for port in HTTP_PORTS],
        },
        {"@type": f"{admin}SecretsConfigDump"},
    ]
    return {"configs": sections}


def dumped(services: list[Service]) -> str:
    return json.dumps(mesh(services), indent=1)


def write_mesh(path: Path, megabytes: float) -> int:
    """Write about ``megabytes`` (within 2 %) and return how many services that took."""
    sample = 240
    per_service = (
        len(dumped([Service(i) for i in range(2 * sample)])) - len(dumped([Service(i) for i in range(sample)]))
    ) / sample
    count = max(1, round(megabytes * 1e6 / per_service))
    path.write_text(dumped([Service(i) for i in range(count)]), encoding="utf-8")
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description="write a mesh-sized config_dump in Istio's shape")
    parser.add_argument("--megabytes", type=float, default=64.0)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    count = write_mesh(arguments.output, arguments.megabytes)
    size = arguments.output.stat().st_size / 1e6
    last = Service(count - 2 if Service(count - 1).tcp_port else count - 1)
    print(f"{arguments.output}: {size:.1f} MB, {count} services", file=sys.stderr)
    print(f"try: envoysim trace {arguments.output} http://{last.host}:{last.ports[0]}/", file=sys.stderr)


if __name__ == "__main__":
    main()
