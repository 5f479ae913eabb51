"""How to break policies and filters."""

from __future__ import annotations

from ..healthy import HTTP, Json, Site
from .table import breaks


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


@breaks("ESM518")
def _(s: Site) -> str:
    s.chain.pop("transport_socket", None)
    principal = {"authenticated": {"principal_name": {"exact": "spiffe://cluster.local/ns/a/sa/b"}}}
    _rbac(s, "DENY", caller={"principals": [principal]})
    return "/policies/caller/principals/0"


@breaks("ESM519")
def _(s: Site) -> str:
    s.add_filter("cors.v3.Cors", {})
    _jwt(s, "/")
    return "/http_filters/1/typed_config"


@breaks("ESM520")
def _(s: Site) -> str:
    _jwt(s, "/")
    either = [{"provider_name": "me"}, {"allow_missing": {}}]
    rule = {"match": {"prefix": "/"}, "requires": {"requires_any": {"requirements": either}}}
    s.manager["http_filters"][0]["typed_config"]["rules"] = [rule]
    s.manager["http_filters"] = [f for f in s.manager["http_filters"] if "rbac" not in f["name"]]
    return "/rules/0/requires"


@breaks("ESM521")
def _(s: Site) -> str:
    s.manager["xff_num_trusted_hops"] = 1
    _rbac(s, inside={"principals": [{"direct_remote_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}}]})
    return "/principals/0/direct_remote_ip"


@breaks("ESM523")
def _(s: Site) -> str:
    service = {"grpc_service": _service(s.cluster["name"]), "transport_api_version": "V3"}
    s.add_filter("ratelimit.v3.RateLimit", {"domain": "shop", "rate_limit_service": service})
    s.host["rate_limits"] = [
        {"stage": 1, "actions": [{"request_headers": {"header_name": "x", "descriptor_key": "x"}}]}
    ]
    return "/rate_limits/0/stage"


@breaks("ESM524")
def _(s: Site) -> str:
    s.add_filter("ext_authz.v3.ExtAuthz", {"grpc_service": _service(s.cluster["name"])})
    s.assignment["endpoints"] = []
    return "/grpc_service/envoy_grpc/cluster_name"


def _local_limit(s: Site, tokens: int, **more: object) -> None:
    whole = {"default_value": {"numerator": 100}}
    bucket = {"max_tokens": tokens, "fill_interval": "60s"}
    config = {"stat_prefix": "limit", "token_bucket": bucket, "filter_enabled": whole, "filter_enforced": whole}
    s.add_filter("local_ratelimit.v3.LocalRateLimit", {**config, **more})


@breaks("ESM525")
def _(s: Site) -> str:
    _local_limit(s, 100)
    return "/http_filters/0/typed_config/token_bucket"


@breaks("ESM526")
def _(s: Site) -> str:
    bucket = {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "60s"}
    entries = [{"key": "path", "value": s.route["match"].get("path", "/")}]
    _local_limit(s, 1000, descriptors=[{"entries": entries, "token_bucket": bucket}])
    s.action["rate_limits"] = [{"actions": [{"request_headers": {"header_name": ":path", "descriptor_key": "PATH"}}]}]
    return "/descriptors/0/entries"


@breaks("ESM527")
def _(s: Site) -> str:
    names = [{"authenticated": {"principal_name": {"exact": "cluster.local/ns/web/sa/shop"}}}]
    _rbac(s, caller={"principals": names})
    return "/principals/0/authenticated"


@breaks("ESM528")
def _(s: Site) -> str:
    _local_limit(s, 1000)
    for owner, name in ((s.host, "x-user"), (s.action, "x-team")):
        owner["rate_limits"] = [{"actions": [{"request_headers": {"header_name": name, "descriptor_key": name}}]}]
    return "/route/rate_limits"


@breaks("ESM529")
def _(s: Site) -> str:
    s.add_filter("ext_authz.v3.ExtAuthz", {"grpc_service": _service(s.cluster["name"])})
    return "/grpc_service/timeout"
