"""Clusters for the real Envoy on loopback: static, plaintext, with scripted upstreams for endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..load.dump import Dump
from ..load.hosts import HostStatus
from .ports import free_ports
from .v3_json import v3_json

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
SILENT = frozenset(("type", "cluster_type", "eds_cluster_config", "load_assignment", "dns_lookup_family"))
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
AGGREGATE = "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig"
POLICIES = "type.googleapis.com/envoy.extensions.load_balancing_policies."
KEPT_POLICIES = frozenset("round_robin random least_request ring_hash maglev wrr_locality subset override_host".split())
DNS_TYPES = frozenset(("STRICT_DNS", "LOGICAL_DNS"))


def rebuild_cluster(dump: Dump, name: str, made: Rebuilt) -> Json:
    """Return the static cluster that stands for ``name``."""
    source = v3_json(dump.clusters[name])
    cluster = {key: source[key] for key in KEPT if key in source}
    cluster["name"] = name
    kept = {"load_balancing_policy", "typed_extension_protocol_options"}
    http = source.get("typed_extension_protocol_options", {}).get(HTTP_OPTIONS)
    if http is not None:
        cluster["typed_extension_protocol_options"] = {HTTP_OPTIONS: _plain_http(http)}
    policy = source.get("load_balancing_policy")
    if policy is not None and _runs(policy):
        cluster["load_balancing_policy"] = policy
        cluster.pop("lb_policy", None)
    elif policy is not None:
        kept.discard("load_balancing_policy")
    gone = sorted(set(source) - set(KEPT) - SILENT - kept)
    if gone:
        made.change(f"cluster `{name}`: {', '.join(gone)} taken out")
    if _aggregates(dump, source):
        return {**cluster, "cluster_type": source["cluster_type"], "lb_policy": "CLUSTER_PROVIDED"}
    if cluster.get("lb_policy") in ("CLUSTER_PROVIDED", "LOAD_BALANCING_POLICY_CONFIG"):
        del cluster["lb_policy"]
    cluster["type"] = "STATIC"
    cluster["load_assignment"] = _assignment(dump, name, source, made)
    return cluster


def placeholder_cluster(name: str, made: Rebuilt) -> Json:
    """Return a cluster of one endpoint for a name that nothing in the dump explains."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": _loopback(name, "placeholder:0", made)}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def _plain_http(options: Json) -> Json:
    """Without TLS there is no ALPN to decide by: automatic choice becomes HTTP/1, as does none."""
    kept = {k: v for k, v in options.items() if k not in ("http_filters", "auto_config", "header_validation_config")}
    if not set(kept) & {"explicit_http_config", "use_downstream_protocol_config"}:
        kept["explicit_http_config"] = {"http_protocol_options": {}}
    return kept


def _runs(policy: Any) -> bool:
    """Tell whether every load balancing policy below is in each public build."""
    if isinstance(policy, list):
        return all(_runs(item) for item in policy)
    if not isinstance(policy, dict):
        return True
    kind = policy.get("@type")
    if kind is not None and kind.removeprefix(POLICIES).partition(".")[0] not in KEPT_POLICIES:
        return False
    return "type_url" not in policy and all(_runs(item) for item in policy.values())


def _aggregates(dump: Dump, source: Json) -> bool:
    config = source.get("cluster_type", {}).get("typed_config", {})
    return config.get("@type") == AGGREGATE and all(name in dump.clusters for name in config.get("clusters", []))


def _assignment(dump: Dump, name: str, source: Json, made: Rebuilt) -> Json:
    service = source.get("eds_cluster_config", {}).get("service_name") or name
    resource = dump.load_assignments.get(service)
    assignment = v3_json(resource) if resource is not None else source.get("load_assignment")
    kind = source.get("cluster_type", {}).get("name") or source.get("type", "STATIC")
    if assignment is None:
        made.change(f"cluster `{name}` ({kind}): endpoints are not in the dump, one stands for them")
        assignment = {"endpoints": [{"lb_endpoints": [{"endpoint": {}}]}]}
    localities = []
    for locality in assignment.get("endpoints", []):
        kept = {
            k: locality[k] for k in ("locality", "priority", "load_balancing_weight", "metadata") if locality.get(k)
        }
        entries = [_endpoint(dump, name, e, made, named=kind in DNS_TYPES) for e in locality.get("lb_endpoints", [])]
        kept["lb_endpoints"] = [entry for entry in entries if entry is not None]
        localities.append(kept)
    new: Json = {"cluster_name": name, "endpoints": localities}
    policy = {k: v for k, v in assignment.get("policy", {}).items() if k in KEPT_ASSIGNMENT_POLICY}
    if policy:
        new["policy"] = policy
    return new


KEPT_ASSIGNMENT_POLICY = ("overprovisioning_factor", "weighted_priority_health")


def _endpoint(dump: Dump, cluster: str, entry: Json, made: Rebuilt, *, named: bool) -> Json | None:
    """An endpoint on loopback that keeps health, weight, metadata and the hash of the address it stands for."""
    endpoint = entry.get("endpoint", {})
    address = endpoint.get("address", {})
    socket = address.get("socket_address", {})
    host = socket.get("address") or address.get("pipe", {}).get("path", "placeholder")
    port = socket.get("port_value", 0)
    original = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    here = _loopback(cluster, original, made)
    new: Json = {k: entry[k] for k in ("health_status", "load_balancing_weight") if entry.get(k)}
    status = dump.host_statuses.get((cluster, original))
    if status is not None:
        new["load_balancing_weight"] = status.weight
        new["health_status"] = _health(status)
        if status.failed_active_health_check or status.failed_outlier_check:
            made.change(f"cluster `{cluster}`: `{original}` failed a check when the dump was made: it stays unhealthy")
    metadata = entry.get("metadata", {})
    own = {**metadata.get("filter_metadata", {})}
    own["envoy.lb"] = {"hash_key": original, **own.get("envoy.lb", {})}
    new["metadata"] = {"filter_metadata": own}
    new["endpoint"] = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": here}}}
    hostname = endpoint.get("hostname") or (host if named else None)
    if hostname:
        new["endpoint"]["hostname"] = hostname
    return new


def _loopback(cluster: str, original: str, made: Rebuilt) -> int:
    key = f"{cluster}|{original}"
    if key not in made.endpoints:
        (port,) = free_ports(1)
        made.endpoints[key] = f"127.0.0.1:{port}"
        made.cluster_of[f"127.0.0.1:{port}"] = cluster
    return int(made.endpoints[key].rpartition(":")[2])


def _health(status: HostStatus) -> str:
    """Checks and ejections do not run here: what they found is the host's health from outside."""
    if status.failed_active_health_check or status.failed_outlier_check or status.active_hc_timeout:
        return "UNHEALTHY"
    return "DEGRADED" if status.failed_active_degraded_check else status.eds_health_status
