"""Clusters for the real Envoy on loopback: static, plaintext, with scripted upstreams for endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..load.dump import Dump
from .ports import free_ports

if TYPE_CHECKING:
    from .rebuild import Rebuilt

Json = dict[str, Any]
KEPT = (
    "name",
    "alt_stat_name",
    "connect_timeout",
    "lb_policy",
    "lb_subset_config",
    "ring_hash_lb_config",
    "maglev_lb_config",
    "least_request_lb_config",
    "round_robin_lb_config",
    "common_lb_config",
    "circuit_breakers",
    "outlier_detection",
    "http2_protocol_options",
    "http_protocol_options",
    "common_http_protocol_options",
    "protocol_selection",
    "max_requests_per_connection",
    "metadata",
    "per_connection_buffer_limit_bytes",
    "track_cluster_stats",
)
"""Fields that do not depend on where endpoints come from; everything else is left out and said."""
SILENT = frozenset(("type", "cluster_type", "eds_cluster_config", "load_assignment", "@type", "dns_lookup_family"))
PLACEHOLDER = "placeholder:0"


def rebuild_cluster(dump: Dump, name: str, made: Rebuilt) -> Json | None:
    """Return the static cluster that stands for ``name``."""
    from .rebuild import snake

    source = snake(dump.clusters[name].plain())
    cluster = {key: source[key] for key in KEPT if key in source}
    gone = sorted(set(source) - set(KEPT) - SILENT)
    options = source.get("typed_extension_protocol_options", {})
    http = options.get("envoy.extensions.upstreams.http.v3.HttpProtocolOptions")
    if http is not None:
        http = {k: v for k, v in http.items() if k != "http_filters"}
        cluster["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _plain_http(http)
        }
        gone = [key for key in gone if key != "typed_extension_protocol_options"]
    if cluster.get("lb_policy") in ("CLUSTER_PROVIDED", "LOAD_BALANCING_POLICY_CONFIG"):
        del cluster["lb_policy"]
    if gone:
        made.changes.append(f"cluster `{name}`: {', '.join(gone)} taken out")
    cluster["type"] = "STATIC"
    cluster["load_assignment"] = _assignment(dump, name, source, made)
    return cluster


def _plain_http(options: Json) -> Json:
    """Without TLS there is no ALPN to decide by: automatic choice becomes HTTP/1."""
    if "auto_config" in options:
        options = {k: v for k, v in options.items() if k != "auto_config"}
        options["explicit_http_config"] = {"http_protocol_options": {}}
    return options


def _assignment(dump: Dump, name: str, source: Json, made: Rebuilt) -> Json:
    from .rebuild import snake

    service = source.get("eds_cluster_config", {}).get("service_name") or name
    resource = dump.load_assignments.get(service)
    assignment = snake(resource.plain()) if resource is not None else source.get("load_assignment")
    if assignment is None:
        kind = source.get("cluster_type", {}).get("name") or source.get("type", "STATIC")
        made.changes.append(f"cluster `{name}` ({kind}): endpoints are not in the dump, one stands for them")
        assignment = {"endpoints": [{"lb_endpoints": [{"endpoint": {}}]}]}
    localities = []
    for locality in assignment.get("endpoints", []):
        kept = {
            k: locality[k] for k in ("locality", "priority", "load_balancing_weight", "metadata") if locality.get(k)
        }
        kept["lb_endpoints"] = [_endpoint(name, e, made) for e in locality.get("lb_endpoints", [])]
        localities.append(kept)
    new: Json = {"cluster_name": name, "endpoints": localities}
    if "policy" in assignment:
        new["policy"] = {k: v for k, v in assignment["policy"].items() if k == "overprovisioning_factor"}
    return new


def _endpoint(cluster: str, entry: Json, made: Rebuilt) -> Json:
    """An endpoint on loopback that keeps health, weight, metadata and the hash of the address it stands for."""
    socket = entry.get("endpoint", {}).get("address", {}).get("socket_address", {})
    host = socket.get("address", "placeholder")
    original = f"{host}:{socket.get('port_value', 0)}"
    key = f"{cluster}|{original}"
    if key not in made.endpoints:
        (port,) = free_ports(1)
        made.endpoints[key] = f"127.0.0.1:{port}"
        made.cluster_of[f"127.0.0.1:{port}"] = cluster
    port = int(made.endpoints[key].rpartition(":")[2])
    new: Json = {k: entry[k] for k in ("health_status", "load_balancing_weight") if k in entry}
    metadata = entry.get("metadata", {}).get("filter_metadata", {})
    own = {**metadata, "envoy.lb": {"hash_key": original, **metadata.get("envoy.lb", {})}}
    new["metadata"] = {"filter_metadata": own}
    new["endpoint"] = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}
    hostname = entry.get("endpoint", {}).get("hostname")
    if hostname:
        new["endpoint"]["hostname"] = hostname
    return new
