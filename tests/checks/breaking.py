"""One way to break a healthy proxy for every rule: a table of edits, by code.

An edit changes a ``Site`` and returns the end of the pointer at which the rule has to say so. It works on any document
that has the places it touches (LookupError where it has not), so the same table serves the small healthy dump and the
dumps of the real Envoy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .healthy import HTTP, TLS, TYPE, Json, Site, address, assignment, cluster, listener

Edit = Callable[[Site], str]
EDITS: Final[dict[str, Edit]] = {}
HUNDRED: Final = {"default_value": {"numerator": 100}}


def breaks(code: str) -> Callable[[Edit], Edit]:
    """Enter an edit into the table."""

    def enter(edit: Edit) -> Edit:
        assert code not in EDITS
        EDITS[code] = edit
        return edit

    return enter


# --- the dump


@breaks("ESM101")
def _(s: Site) -> str:
    made = listener("refused", 9001, "web")
    s.add_listener(made, error_state={"failed_configuration": made, "details": "has duplicate address"})
    return ""


@breaks("ESM102")
def _(s: Site) -> str:
    made = listener("slow", 9001, "web")
    s.add_listener(made, warming_state={"listener": made})
    return ""


@breaks("ESM103")
def _(s: Site) -> str:
    if s.cluster["type"] != "EDS":
        raise LookupError
    s.document["configs"].remove(s.sections["EndpointsConfigDump"])
    return "/cluster"


@breaks("ESM104")
def _(s: Site) -> str:
    s.add_listener(listener("astray", 9001, "nowhere"))
    s.add_table({"name": "spare", "virtual_hosts": []})
    return "/rds/route_config_name"


@breaks("ESM105")
def _(s: Site) -> str:
    discovery = {"config_source": {"ads": {}}, "type_urls": [HTTP + "wasm.v3.Wasm"]}
    s.manager["http_filters"].insert(0, {"name": "late", "config_discovery": discovery})
    return "/http_filters/0/config_discovery"


@breaks("ESM106")
def _(s: Site) -> str:
    waiting = {"name": "shop-cert", "secret": {"name": "shop-cert"}}
    s.section("SecretsConfigDump", "dynamic_warming_secrets").append(waiting)
    common = s.downstream_context().setdefault("common_tls_context", {})
    common.pop("tls_certificates", None)
    common["tls_certificate_sds_secret_configs"] = [{"name": "shop-cert", "sds_config": {"ads": {}}}]
    return "/tls_certificate_sds_secret_configs/0"


@breaks("ESM107")
def _(s: Site) -> str:
    s.add_filter("wasm.v3.Wasm", {})
    return "/http_filters/0/typed_config"


# --- listeners


@breaks("ESM201")
def _(s: Site) -> str:
    if any(x.get("use_original_dst") for x in s.listeners):
        for each in s.listeners:
            each.pop("use_original_dst", None)
    s.listener["bind_to_port"] = False
    return "/bind_to_port"


@breaks("ESM202")
def _(s: Site) -> str:
    s.listener.pop("listener_filters", None)
    s.chain["filter_chain_match"] = {"server_names": ["shop.example"]}
    return "/filter_chain_match/server_names"


@breaks("ESM203")
def _(s: Site) -> str:
    s.listener.pop("listener_filters", None)
    s.chain["filter_chain_match"] = {"application_protocols": ["h2c"]}
    return "/filter_chain_match/application_protocols"


EXPIRED: Final = """-----BEGIN CERTIFICATE-----
MIIBSzCB8qADAgECAgEHMAoGCCqGSM49BAMCMBgxFjAUBgNVBAMMDW90aGVyLmV4
YW1wbGUwHhcNMjAwMTAxMDAwMDAwWhcNMjEwMTAxMDAwMDAwWjAYMRYwFAYDVQQD
DA1vdGhlci5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3j7rzgiS
hoA6nF+n9R/GhwULtvdBS/OnjqICXCD7f2ia1dOAD+GhN9vB6IkUnHtPvqYC7VMW
Upo8XqaVUclOUqMtMCswKQYDVR0RBCIwIIINb3RoZXIuZXhhbXBsZYIPKi5vdGhl
ci5leGFtcGxlMAoGCCqGSM49BAMCA0gAMEUCIHRnLh87y0pVMhT4+/24kNve5hq6
ETS1K7S3Wy02a6f7AiEAtBmFoU3s2YxT30/u/5CkBiGNkGgCptgSl6csYVUV6UA=
-----END CERTIFICATE-----
"""
"""For `other.example` and `*.other.example`, valid in 2020."""


def _certify(s: Site) -> None:
    context = s.downstream_context()
    context.pop("require_client_certificate", None)
    common = context.setdefault("common_tls_context", {})
    common.pop("tls_certificate_sds_secret_configs", None)
    common["tls_certificates"] = [{"certificate_chain": {"inline_string": EXPIRED}}]


@breaks("ESM204")
def _(s: Site) -> str:
    _certify(s)
    s.tls[0]["filter_chain_match"] = {"server_names": ["a.other.example", "shop.example"]}
    return "/filter_chain_match/server_names/1"


@breaks("ESM205")
def _(s: Site) -> str:
    _certify(s)
    return "/tls_certificates/0/certificate_chain"


@breaks("ESM206")
def _(s: Site) -> str:
    s.chain.setdefault("filter_chain_match", {})["server_names"] = ["shop*.example"]
    return "/filter_chain_match/server_names/0"


@breaks("ESM207")
def _(s: Site) -> str:
    s.listener["filter_chains"].append(s.listener["filter_chains"][0])
    return "/filter_chain_match"


@breaks("ESM208")
def _(s: Site) -> str:
    s.listener.pop("default_filter_chain", None)
    for i, chain in enumerate(s.listener["filter_chains"]):
        chain["filter_chain_match"] = {"server_names": [f"shop{i}.example"]}
    return "/default_filter_chain"


@breaks("ESM209")
def _(s: Site) -> str:
    s.listener["filter_chains"].append({"filters": [], "filter_chain_match": {"destination_port": 7}})
    return "/filters"


@breaks("ESM210")
def _(s: Site) -> str:
    common = s.downstream_context()["common_tls_context"]
    common["alpn_protocols"] = ["h2"]
    common["tls_certificates"] = [{"certificate_chain": {"inline_string": EXPIRED}}]
    first = s.tls[0]
    first["filter_chain_match"] = {"server_names": ["a.other.example"]}
    other = listener("x", 1, "elsewhere", transport_socket=first["transport_socket"])["filter_chains"][0]
    other["filter_chain_match"] = {"server_names": ["b.other.example"]}
    owner = next(x for x in s.listeners if first in x.get("filter_chains", ()))
    owner["filter_chains"].append(other)
    return "/filter_chain_match/server_names"


@breaks("ESM211")
def _(s: Site) -> str:
    s.downstream_context()["common_tls_context"]["alpn_protocols"] = ["h2", "http/1.1"]
    s.tls[0]["filters"][-1]["typed_config"]["codec_type"] = "HTTP1"
    return "/codec_type"


@breaks("ESM212")
def _(s: Site) -> str:
    context = s.downstream_context()
    context.pop("require_client_certificate", None)
    context["common_tls_context"]["validation_context"] = {"trusted_ca": {"inline_string": EXPIRED}}
    return "/require_client_certificate"


@breaks("ESM213")
def _(s: Site) -> str:
    context = s.downstream_context()
    context["require_client_certificate"] = True
    for name in ("validation_context", "validation_context_sds_secret_config", "combined_validation_context"):
        context["common_tls_context"].pop(name, None)
    return "/common_tls_context"


@breaks("ESM214")
def _(s: Site) -> str:
    s.downstream_context()["common_tls_context"]["tls_params"] = {"tls_minimum_protocol_version": "TLSv1_0"}
    return "/tls_minimum_protocol_version"


@breaks("ESM215")
def _(s: Site) -> str:
    s.listener["address"] = address("0.0.0.0", 8081)
    s.add_listener(listener("second", 8081, "web"))
    return "/address"


@breaks("ESM216")
def _(s: Site) -> str:
    inspector = {"@type": TYPE + "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}
    s.listener["listener_filters"] = [{"name": "tls_inspector", "typed_config": inspector}]
    s.listener.pop("continue_on_listener_filters_timeout", None)
    proxy = {"@type": TYPE + "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "tcp"}
    proxy["cluster"] = s.cluster["name"]
    s.chain["filters"] = [{"name": "tcp", "typed_config": proxy}]
    s.chain.pop("transport_socket", None)
    s.chain.pop("filter_chain_match", None)
    return "/listener_filters"


@breaks("ESM217")
def _(s: Site) -> str:
    for each in s.listeners:
        each.pop("use_original_dst", None)
    kind = {"@type": TYPE + "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"}
    s.listener["listener_filters"] = [{"name": "original_dst", "typed_config": kind}]
    s.listener.pop("bind_to_port", None)
    s.add_listener({**listener("inner", 9002, "web"), "bind_to_port": False})
    return "/listener_filters/0"


# --- routes


@breaks("ESM301")
def _(s: Site) -> str:
    s.add_route(match={"prefix": "/"}, direct_response={"status": 200})
    return "/routes/1/match"


@breaks("ESM302")
def _(s: Site) -> str:
    s.table.pop("ignore_port_in_host_matching", None)
    s.manager.pop("strip_any_host_port", None)
    s.host["domains"] = ["bare.example"]
    return "/domains"


@breaks("ESM303")
def _(s: Site) -> str:
    s.add_route(match={"prefix": "/nb/test-root"}, direct_response={"status": 201})
    s.add_route(match={"prefix": "/nb/test"}, direct_response={"status": 202})
    return "/routes/0/match/prefix"


@breaks("ESM304")
def _(s: Site) -> str:
    s.add_route(match={"prefix": "/nb"}, direct_response={"status": 201})
    s.add_route(match={"prefix": "/", "headers": [{"name": "x-canary"}]}, direct_response={"status": 202})
    return "/routes/0/match"


@breaks("ESM305")
def _(s: Site) -> str:
    header = {"name": "x-canary", "string_match": {"exact": "true"}, "invert_match": True}
    s.route["match"] = {"prefix": "/", "headers": [header]}
    return "/match/headers/0"


@breaks("ESM306")
def _(s: Site) -> str:
    s.host["routes"] = [s.route]
    s.route["match"] = {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}
    cors = {"@type": HTTP + "cors.v3.CorsPolicy", "allow_origin_string_match": [{"exact": "https://shop.example"}]}
    s.route["typed_per_filter_config"] = {"envoy.filters.http.cors": cors}
    return "/match/headers/0"


@breaks("ESM307")
def _(s: Site) -> str:
    s.add_route(match={"path": "/a?b=c"}, direct_response={"status": 200})
    return "/routes/0/match"


@breaks("ESM308")
def _(s: Site) -> str:
    s.add_route(match={"safe_regex": {"regex": r"/\pL+"}}, direct_response={"status": 201})
    s.add_route(1, match={"safe_regex": {"regex": "/[a-c]+"}}, direct_response={"status": 202})
    return "/routes/1/match"


@breaks("ESM309")
def _(s: Site) -> str:
    second = {"name": "again", "domains": [s.host["domains"][0].upper()], "routes": [s.route]}
    s.table["virtual_hosts"].append(second)
    return "/domains/0"


@breaks("ESM310")
def _(s: Site) -> str:
    s.add_route(match={"safe_regex": {"regex": "^/api/v1"}}, direct_response={"status": 200})
    return "/routes/0/match/safe_regex"


@breaks("ESM311")
def _(s: Site) -> str:
    s.manager["upgrade_configs"] = [{"upgrade_type": "websocket"}]
    s.manager["stat_prefix"] = "changed"
    return "/upgrade_configs"


@breaks("ESM313")
def _(s: Site) -> str:
    s.add_route(match={"path": "/again"}, redirect={"path_redirect": "/again"})
    return "/routes/0/redirect"


@breaks("ESM314")
def _(s: Site) -> str:
    s.add_route(match={"prefix": "/nb"}, route={"cluster": s.cluster["name"], "prefix_rewrite": "/", "timeout": "5s"})
    return "/route/prefix_rewrite"


@breaks("ESM315")
def _(s: Site) -> str:
    s.route["request_headers_to_add"] = [{"header": {"key": "x-team", "value": "a"}}]
    s.host["request_headers_to_remove"] = ["x-team"]
    return "/request_headers_to_add"


@breaks("ESM316")
def _(s: Site) -> str:
    for place in (s.route, s.host):
        option = {"header": {"key": "x-env", "value": "a"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        place["response_headers_to_add"] = [option]
    return "/response_headers_to_add"


def _weights(s: Site, *weights: int) -> None:
    s.action.pop("cluster")
    clusters = [{"name": s.cluster["name"], "weight": w} for w in weights]
    s.action["weighted_clusters"] = {"clusters": clusters}


@breaks("ESM317")
def _(s: Site) -> str:
    _weights(s, 80, 25)
    return "/route/weighted_clusters"


@breaks("ESM318")
def _(s: Site) -> str:
    _weights(s, 100, 0)
    return "/weighted_clusters/clusters/1"


@breaks("ESM319")
def _(s: Site) -> str:
    s.action["request_mirror_policies"] = [{"cluster": "nowhere"}]
    return "/request_mirror_policies/0/cluster"


@breaks("ESM320")
def _(s: Site) -> str:
    s.host["domains"].append("https://shop.example")
    return f"/domains/{len(s.host['domains']) - 1}"


@breaks("ESM321")
def _(s: Site) -> str:
    s.add_table({"name": "spare", "virtual_hosts": []})
    return "/route_config"


@breaks("ESM322")
def _(s: Site) -> str:
    s.route["typed_per_filter_config"] = {"envoy.cors": {"@type": HTTP + "cors.v3.CorsPolicy"}}
    return "/typed_per_filter_config/envoy.cors"


@breaks("ESM323")
def _(s: Site) -> str:
    s.table["virtual_hosts"].append({"name": "empty", "domains": ["empty.example"]})
    return "/routes"


@breaks("ESM324")
def _(s: Site) -> str:
    s.action["hash_policy"] = [{"header": {"header_name": "x-user"}}]
    s.cluster["lb_policy"] = "ROUND_ROBIN"
    return "/route/hash_policy"


@breaks("ESM325")
def _(s: Site) -> str:
    s.action["auto_host_rewrite"] = True
    if s.cluster["type"] not in ("EDS", "STATIC"):
        raise LookupError
    return "/route/auto_host_rewrite"


@breaks("ESM326")
def _(s: Site) -> str:
    s.route["match"] = {"safe_regex": {"regex": "/v[0-9]+/.*"}}
    s.action["prefix_rewrite"] = "/"
    return "/route/prefix_rewrite"


@breaks("ESM327")
def _(s: Site) -> str:
    s.chain.pop("transport_socket", None)
    s.listener["address"] = address("0.0.0.0", 10080)
    s.manager["use_remote_address"] = True
    s.host["require_tls"] = "ALL"
    return "/require_tls"


# --- clusters and endpoints


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


def _retry(s: Site, **fields: object) -> None:
    s.action["timeout"] = "5s"
    s.action.pop("max_stream_duration", None)
    s.action["retry_policy"] = {"retry_on": "connect-failure", **fields}


@breaks("ESM428")
def _(s: Site) -> str:
    s.cluster.pop("circuit_breakers", None)
    _retry(s)
    return "/circuit_breakers"


# --- policy


def _rbac(s: Site, action: str = "ALLOW", **policies: Json) -> None:
    whole = {name: {"permissions": [{"any": True}], "principals": [{"any": True}], **p} for name, p in policies.items()}
    s.add_filter("rbac.v3.RBAC", {"rules": {"action": action, "policies": whole}})


def _path(text: str) -> Json:
    return {"permissions": [{"url_path": {"path": {"exact": text}}}]}


@breaks("ESM501")
def _(s: Site) -> str:
    s.manager.pop("merge_slashes", None)
    _rbac(s, "DENY", secret=_path("/data/secret"))
    return "/merge_slashes"


@breaks("ESM502")
def _(s: Site) -> str:
    s.chain.pop("transport_socket", None)
    principal = {"authenticated": {"principal_name": {"exact": "spiffe://cluster.local/ns/a/sa/b"}}}
    _rbac(s, caller={"principals": [principal]})
    return "/policies/caller/principals/0"


@breaks("ESM503")
def _(s: Site) -> str:
    _rbac(s, "DENY", report=_path("/report?type=all"))
    return "/url_path/path"


@breaks("ESM504")
def _(s: Site) -> str:
    header = {"name": ":authority", "string_match": {"exact": "admin.example"}}
    _rbac(s, "DENY", admin={"permissions": [{"header": header}]})
    return "/permissions/0/header"


def _jwt(s: Site, *paths: str) -> None:
    provider = {"issuer": "me", "local_jwks": {"inline_string": '{"keys": []}'}}
    rules = [{"match": {"prefix": p}, "requires": {"provider_name": "me"}} for p in paths]
    rules[0].pop("requires") if len(rules) > 1 else None
    s.add_filter("jwt_authn.v3.JwtAuthentication", {"providers": {"me": provider}, "rules": rules})


@breaks("ESM505")
def _(s: Site) -> str:
    _jwt(s, "/", "/admin")
    return "/rules/1/match"


@breaks("ESM506")
def _(s: Site) -> str:
    s.manager.pop("merge_slashes", None)
    _jwt(s, "/admin")
    return "/rules/0/match"


@breaks("ESM507")
def _(s: Site) -> str:
    s.manager["http_filters"].append({"name": "cors", "typed_config": {"@type": HTTP + "cors.v3.Cors"}})
    return f"/http_filters/{len(s.manager['http_filters']) - 1}"


@breaks("ESM508")
def _(s: Site) -> str:
    fault = {"@type": HTTP + "fault.v3.HTTPFault", "abort": {"http_status": 418, "percentage": {"numerator": 100}}}
    s.add_filter("fault.v3.HTTPFault", {}, name="envoy.filters.http.fault")
    s.route["typed_per_filter_config"] = {"envoy.filters.http.fault": fault}
    return "/typed_per_filter_config/envoy.filters.http.fault/abort"


@breaks("ESM509")
def _(s: Site) -> str:
    bucket = {"max_tokens": 10, "fill_interval": "1s"}
    s.add_filter("local_ratelimit.v3.LocalRateLimit", {"stat_prefix": "x", "token_bucket": bucket})
    return "/filter_enabled"


def _service(name: str) -> Json:
    return {"envoy_grpc": {"cluster_name": name}}


@breaks("ESM510")
def _(s: Site) -> str:
    service = {"grpc_service": _service(s.cluster["name"]), "transport_api_version": "V3"}
    s.add_filter("ratelimit.v3.RateLimit", {"domain": "shop", "rate_limit_service": service})
    return "/http_filters/0/typed_config"


@breaks("ESM511")
def _(s: Site) -> str:
    s.add_filter("ext_authz.v3.ExtAuthz", {"grpc_service": _service("nowhere")})
    return "/grpc_service/envoy_grpc/cluster_name"


@breaks("ESM512")
def _(s: Site) -> str:
    s.add_filter("ext_authz.v3.ExtAuthz", {"grpc_service": _service(s.cluster["name"]), "failure_mode_allow": True})
    return "/failure_mode_allow"


@breaks("ESM513")
def _(s: Site) -> str:
    s.add_filter("cors.v3.Cors", {}, name="cors")
    policy = {"allow_origin_string_match": [{"prefix": "https://shop.example"}]}
    s.route["typed_per_filter_config"] = {"cors": {"@type": HTTP + "cors.v3.CorsPolicy", **policy}}
    return "/allow_origin_string_match/0"


@breaks("ESM514")
def _(s: Site) -> str:
    everybody = {"permissions": [{"any": True}], "principals": [{"any": True}]}
    s.add_filter("rbac.v3.RBAC", {"shadow_rules": {"action": "DENY", "policies": {"dry": everybody}}})
    return "/shadow_rules"


@breaks("ESM515")
def _(s: Site) -> str:
    _rbac(s, broad={}, narrow=_path("/narrow"))
    return "/policies/broad"


@breaks("ESM516")
def _(s: Site) -> str:
    s.manager.pop("use_remote_address", None)
    _rbac(s, inside={"principals": [{"remote_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}}]})
    return "/principals/0/remote_ip"


@breaks("ESM517")
def _(s: Site) -> str:
    s.add_filter("rbac.v3.RBAC", {"rules": {"action": "ALLOW"}})
    return "/http_filters/0/typed_config/rules"


# --- time


@breaks("ESM601")
def _(s: Site) -> str:
    s.add_route(match={"path": "/untimed"}, route={"cluster": s.cluster["name"]})
    return "/routes/0/route/timeout"


@breaks("ESM602")
def _(s: Site) -> str:
    _retry(s, per_try_timeout="5s")
    return "/retry_policy/per_try_timeout"


@breaks("ESM603")
def _(s: Site) -> str:
    _retry(s, retry_on="connection-failure")
    return "/retry_policy/retry_on"


@breaks("ESM604")
def _(s: Site) -> str:
    _retry(s, retriable_status_codes=[409])
    return "/retry_policy/retriable_status_codes"


@breaks("ESM605")
def _(s: Site) -> str:
    _retry(s, retry_on="5xx")
    s.route["match"] = {"prefix": "/"}
    return "/retry_policy/retry_on"


@breaks("ESM606")
def _(s: Site) -> str:
    _retry(s, num_retries=10)
    return "/retry_policy/num_retries"


@breaks("ESM607")
def _(s: Site) -> str:
    s.action.pop("retry_policy", None)
    s.action["hedge_policy"] = {"hedge_on_per_try_timeout": True}
    return "/route/hedge_policy"


@breaks("ESM608")
def _(s: Site) -> str:
    _retry(s, retry_back_off={"base_interval": "20s"})
    return "/retry_back_off/base_interval"


@breaks("ESM609")
def _(s: Site) -> str:
    s.manager.pop("stream_idle_timeout", None)
    s.action.pop("idle_timeout", None)
    s.action["timeout"] = "600s"
    return "/route/idle_timeout"


@breaks("ESM610")
def _(s: Site) -> str:
    s.action.pop("max_stream_duration", None)
    s.action["timeout"] = "60s"
    s.manager["common_http_protocol_options"] = {"max_stream_duration": "30s"}
    return "/route/timeout"


@breaks("ESM611")
def _(s: Site) -> str:
    s.action.update(timeout="5s", max_stream_duration={"grpc_timeout_header_max": "60s"})
    return "/route/max_stream_duration"


@breaks("ESM612")
def _(s: Site) -> str:
    s.action["max_grpc_timeout"] = "0s"
    return "/route/max_grpc_timeout"


@breaks("ESM613")
def _(s: Site) -> str:
    s.action.pop("max_stream_duration", None)
    s.action.update(timeout="0s", idle_timeout="0s")
    return "/route/timeout"


@breaks("ESM614")
def _(s: Site) -> str:
    s.add_route(match={"prefix": "/chat.Chat/", "grpc": {}}, route={"cluster": s.cluster["name"]})
    return "/routes/0/route/timeout"


@breaks("ESM615")
def _(s: Site) -> str:
    s.action["retry_policy"] = {"num_retries": 3}
    return "/retry_policy/retry_on"


@breaks("ESM616")
def _(s: Site) -> str:
    s.cluster["connect_timeout"] = "9s"
    _retry(s)
    return "/connect_timeout"


@breaks("ESM617")
def _(s: Site) -> str:
    _retry(s)
    s.cluster["circuit_breakers"] = {"thresholds": [{"max_retries": 0}]}
    return "/thresholds/0/max_retries"


@breaks("ESM618")
def _(s: Site) -> str:
    s.options(common_http_protocol_options={"idle_timeout": "0s"})
    return "/cluster"


__all__ = ["EDITS", "TLS", "cluster"]
