"""How to break clusters and endpoints."""

from __future__ import annotations

from ..healthy import TLS, TYPE, Json, Site, address, assignment
from .listeners import EXPIRED
from .table import breaks, give_retries


@breaks("ESM401")
def _(s: Site) -> str:
    s.action["cluster"] = "nowhere"
    return "/route/cluster"


@breaks("ESM402")
def _(s: Site) -> str:
    s.assignment["endpoints"] = []
    return ""


@breaks("ESM403")
def _(s: Site) -> str:
    for locality in s.assignment["endpoints"]:
        for entry in locality["lb_endpoints"]:
            entry["health_status"] = "UNHEALTHY"
    s.cluster["common_lb_config"] = {"healthy_panic_threshold": {}}
    return "/health_status"


def _subsets(s: Site, asked: Json, *keys: str) -> None:
    s.cluster["lb_subset_config"] = {"subset_selectors": [{"keys": list(keys)}]} if keys else {}
    s.action["metadata_match"] = {"filter_metadata": {"envoy.lb": asked}}


@breaks("ESM404")
def _(s: Site) -> str:
    _subsets(s, {"version": "v9"}, "version")
    return "/route/metadata_match"


@breaks("ESM405")
def _(s: Site) -> str:
    _subsets(s, {"version": "v1", "stage": "prod"}, "version")
    return "/route/metadata_match"


@breaks("ESM406")
def _(s: Site) -> str:
    _subsets(s, {"version": "v1"})
    return "/route/metadata_match"


@breaks("ESM410")
def _(s: Site) -> str:
    s.cluster["circuit_breakers"] = {"thresholds": [{"max_connections": 2}]}
    return "/circuit_breakers/thresholds/0"


@breaks("ESM411")
def _(s: Site) -> str:
    s.cluster.pop("common_lb_config", None)
    for locality in s.assignment["endpoints"]:
        for entry in locality["lb_endpoints"]:
            entry["health_status"] = "UNHEALTHY"
    return "/common_lb_config/healthy_panic_threshold"


@breaks("ESM412")
def _(s: Site) -> str:
    s.cluster["outlier_detection"] = {"consecutive_5xx": 3}
    s.cluster["common_lb_config"] = {"healthy_panic_threshold": {}}
    entries = s.assignment["endpoints"][0]["lb_endpoints"]
    entries.append({"endpoint": {"address": address("10.9.9.9", 80)}})
    return "/outlier_detection/max_ejection_percent"


@breaks("ESM413")
def _(s: Site) -> str:
    s.cluster["outlier_detection"] = {"max_ejection_percent": 100}
    s.cluster["common_lb_config"] = {"healthy_panic_threshold": {}}
    return "/outlier_detection/max_ejection_percent"


@breaks("ESM414")
def _(s: Site) -> str:
    s.cluster["common_lb_config"] = {"locality_weighted_lb_config": {}}
    s.assignment["endpoints"][0]["load_balancing_weight"] = 1
    s.assignment["endpoints"].append(assignment("x", "10.9.9.9")["endpoints"][0])
    return "/load_balancing_weight"


@breaks("ESM415")
def _(s: Site) -> str:
    s.cluster.pop("outlier_detection", None)
    s.cluster.pop("health_checks", None)
    s.assignment["endpoints"].append({**assignment("x", "10.9.9.9")["endpoints"][0], "priority": 1})
    return "/priority"


@breaks("ESM416")
def _(s: Site) -> str:
    entries = s.assignment["endpoints"][0]["lb_endpoints"]
    entries.append(entries[0])
    return f"/lb_endpoints/{len(entries) - 1}"


@breaks("ESM417")
def _(s: Site) -> str:
    s.add_cluster(name="dns", type="LOGICAL_DNS", load_assignment=assignment("dns", "a.example", "b.example"))
    return "/load_assignment"


@breaks("ESM418")
def _(s: Site) -> str:
    if s.cluster["type"] not in ("EDS", "STATIC"):
        raise LookupError
    s.endpoint["endpoint"]["address"] = address("db.example.com", 80)
    return "/lb_endpoints/0/endpoint/address"


@breaks("ESM419")
def _(s: Site) -> str:
    members = {"@type": TYPE + "envoy.extensions.clusters.aggregate.v3.ClusterConfig", "clusters": ["nowhere"]}
    made = s.add_cluster(name="all", cluster_type={"name": "envoy.clusters.aggregate", "typed_config": members})
    made.pop("type")
    return "/clusters/0"


@breaks("ESM420")
def _(s: Site) -> str:
    s.upstream_context(sni="x", common_tls_context={"alpn_protocols": ["istio"], "validation_context": {}})
    return "/transport_socket"


@breaks("ESM421")
def _(s: Site) -> str:
    s.upstream_context(sni="shop.example")
    return "/common_tls_context"


@breaks("ESM422")
def _(s: Site) -> str:
    s.cluster.pop("typed_extension_protocol_options", None)
    s.upstream_context(common_tls_context={"validation_context": {}})
    return "/sni"


@breaks("ESM423")
def _(s: Site) -> str:
    s.options()
    s.cluster["http2_protocol_options"] = {}
    return "/http2_protocol_options"


@breaks("ESM424")
def _(s: Site) -> str:
    drop = {"category": "load", "drop_percentage": {"numerator": 100}}
    s.assignment["policy"] = {"drop_overloads": [drop]}
    return "/policy/drop_overloads"


@breaks("ESM425")
def _(s: Site) -> str:
    made = s.add_cluster(name="ring", lb_policy="RING_HASH")
    s.add_endpoints(assignment("ring", "10.9.9.9"))
    s.add_route(match={"path": "/ring"}, route={"cluster": made["name"], "timeout": "5s"})
    return "/lb_policy"


@breaks("ESM426")
def _(s: Site) -> str:
    check = {
        "timeout": "30s",
        "interval": "5s",
        "unhealthy_threshold": 3,
        "healthy_threshold": 1,
        "tcp_health_check": {},
    }
    s.cluster["health_checks"] = [check]
    return "/health_checks/0/timeout"


@breaks("ESM427")
def _(s: Site) -> str:
    s.add_cluster(name="zz-forgotten")
    s.add_endpoints(assignment("zz-forgotten", "10.9.9.9"))
    return "/cluster"


@breaks("ESM428")
def _(s: Site) -> str:
    s.cluster.pop("circuit_breakers", None)
    give_retries(s)
    return "/circuit_breakers"


@breaks("ESM429")
def _(s: Site) -> str:
    context = {"@type": TLS + "UpstreamTlsContext", "sni": "shop.example"}
    secure = {"name": "tls", "typed_config": context}
    s.cluster.pop("transport_socket", None)
    s.cluster["transport_socket_matches"] = [{"name": "mtls", "match": {"mode": "secure"}, "transport_socket": secure}]
    return "/transport_socket_matches/0/match"


@breaks("ESM430")
def _(s: Site) -> str:
    s.endpoint["endpoint"]["address"] = address("10.9.9.9", 443)
    s.cluster.pop("transport_socket", None)
    s.cluster.pop("transport_socket_matches", None)
    return "/transport_socket"


@breaks("ESM431")
def _(s: Site) -> str:
    s.options(explicit_http_config={"http2_protocol_options": {}})
    s.upstream_context(sni="shop.example", common_tls_context={"alpn_protocols": ["http/1.1"]})
    return "/common_tls_context/alpn_protocols"


@breaks("ESM432")
def _(s: Site) -> str:
    s.cluster.pop("http2_protocol_options", None)
    s.options()
    s.add_filter("ext_authz.v3.ExtAuthz", {"grpc_service": {"envoy_grpc": {"cluster_name": s.cluster["name"]}}})
    return "/grpc_service/envoy_grpc/cluster_name"


@breaks("ESM433")
def _(s: Site) -> str:
    s.listener.pop("listener_filters", None)
    s.listener.pop("use_original_dst", None)
    s.listener.pop("bind_to_port", None)
    made = s.add_cluster(name="wherever", type="ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED")
    made.pop("eds_cluster_config")
    s.add_route(match={"path": "/wherever"}, route={"cluster": "wherever", "timeout": "5s"})
    return "/routes/0/route/cluster"


@breaks("ESM434")
def _(s: Site) -> str:
    s.endpoint["endpoint"]["address"] = {"envoy_internal_address": {"server_listener_name": "inside"}}
    return "/lb_endpoints/0/endpoint/address"


@breaks("ESM435")
def _(s: Site) -> str:
    check = {"path": "/ready", "expected_statuses": [{"start": 201, "end": 300}]}
    times = {"timeout": "1s", "interval": "5s", "unhealthy_threshold": 3, "healthy_threshold": 1}
    s.cluster["health_checks"] = [{**times, "http_health_check": check}]
    return "/http_health_check/expected_statuses"


@breaks("ESM436")
def _(s: Site) -> str:
    validation = {"trusted_ca": {"filename": "/etc/ssl/certs/ca-certificates.crt"}}
    s.upstream_context(sni="shop.example", common_tls_context={"validation_context": validation})
    return "/common_tls_context/validation_context"


@breaks("ESM437")
def _(s: Site) -> str:
    s.add_cluster(name="dns", type="STRICT_DNS", load_assignment=assignment("dns", "a.example"))
    return "/dns_lookup_family"


@breaks("ESM438")
def _(s: Site) -> str:
    s.cluster.pop("circuit_breakers", None)
    host = {"address": address("10.0.0.1", 8080), "stats": [{"name": "rq_active", "value": "1000", "type": "GAUGE"}]}
    s.document["cluster_statuses"] = [{"name": s.cluster["name"], "host_statuses": [host]}]
    return "/circuit_breakers"


@breaks("ESM440")
def _(s: Site) -> str:
    times = {"timeout": "1s", "interval": "5s", "unhealthy_threshold": 3, "healthy_threshold": 1}
    s.cluster["health_checks"] = [{**times, "http_health_check": {"path": "/ready"}}]
    return "/http_health_check/host"


@breaks("ESM441")
def _(s: Site) -> str:
    name = {"san_type": "DNS", "matcher": {"exact": "api.internal"}}
    validation = {"trusted_ca": {"filename": "ca.pem"}, "match_typed_subject_alt_names": [name]}
    s.upstream_context(sni="shop.example", common_tls_context={"validation_context": validation})
    return "/match_typed_subject_alt_names"


@breaks("ESM442")
def _(s: Site) -> str:
    s.options(common_http_protocol_options={"max_requests_per_connection": 1})
    return "/common_http_protocol_options/max_requests_per_connection"


@breaks("ESM443")
def _(s: Site) -> str:
    s.downstream_context()
    owner = next(x for x in s.listeners if s.tls[0] in x.get("filter_chains", ()))
    owner["filter_chains"] = [s.tls[0]]
    owner.pop("default_filter_chain", None)
    owner["address"] = address("10.9.9.9", 8443)
    s.endpoint["endpoint"]["address"] = address("10.9.9.9", 8443)
    s.cluster.pop("transport_socket", None)
    s.cluster.pop("transport_socket_matches", None)
    return "/transport_socket"


@breaks("ESM444")
def _(s: Site) -> str:
    validation = {"trusted_ca": {"inline_string": EXPIRED}}
    s.upstream_context(sni="shop.example", common_tls_context={"validation_context": validation})
    return "/validation_context/trusted_ca"


@breaks("ESM445")
def _(s: Site) -> str:
    s.options(explicit_http_config={"http_protocol_options": {"accept_http_10": True}})
    return "/explicit_http_config/http_protocol_options"
