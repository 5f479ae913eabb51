"""How to break routes and virtual hosts."""

from __future__ import annotations

from ..healthy import HTTP, Site, address
from .table import breaks


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


@breaks("ESM328")
def _(s: Site) -> str:
    s.add_route(match={"prefix": "/api/*"}, route={"cluster": s.cluster["name"], "timeout": "5s"})
    return "/routes/0/match/prefix"


@breaks("ESM329")
def _(s: Site) -> str:
    s.manager.pop("upgrade_configs", None)
    s.add_route(match={"connect_matcher": {}}, route={"cluster": s.cluster["name"], "timeout": "5s"})
    return "/routes/0/route/upgrade_configs"


@breaks("ESM330")
def _(s: Site) -> str:
    header = {"name": ":method", "string_match": {"exact": "get"}}
    s.add_route(match={"prefix": "/", "headers": [header]}, direct_response={"status": 200})
    return "/routes/0/match/headers/0"


@breaks("ESM331")
def _(s: Site) -> str:
    s.cluster.pop("typed_extension_protocol_options", None)
    s.upstream_context(sni="www.shop.example")
    s.action["host_rewrite_literal"] = "api.shop.example"
    return "/route/host_rewrite_literal"


@breaks("ESM332")
def _(s: Site) -> str:
    s.add_filter("buffer.v3.Buffer", {"max_request_bytes": 1024})
    s.manager["max_request_headers_kb"] = 8
    s.manager["common_http_protocol_options"] = {"headers_with_underscores_action": "REJECT_REQUEST"}
    return "/http_filters/0/typed_config/max_request_bytes"


@breaks("ESM333")
def _(s: Site) -> str:
    s.manager["http_filters"] = s.manager["http_filters"][-1:]
    append = {"header": {"key": "X-Tier", "value": "gold"}}
    s.add_filter("header_mutation.v3.HeaderMutation", {"mutations": {"request_mutations": [{"append": append}]}})
    gold = {"prefix": "/", "headers": [{"name": "x-tier", "string_match": {"exact": "gold"}}]}
    s.add_route(match=gold, direct_response={"status": 200})
    return "/request_mutations/0/append"


@breaks("ESM334")
def _(s: Site) -> str:
    s.manager["upgrade_configs"] = [{"upgrade_type": "websocket"}]
    s.action["upgrade_configs"] = [{"upgrade_type": "websocket", "enabled": False}]
    return "/route/upgrade_configs/0/enabled"


@breaks("ESM335")
def _(s: Site) -> str:
    s.action["hash_policy"] = [{"cookie": {"name": "SESSION"}}]
    return "/hash_policy/0/cookie"


@breaks("ESM336")
def _(s: Site) -> str:
    names = [s.action.pop("cluster"), s.add_cluster(name="canary")["name"]]
    s.action["weighted_clusters"] = {"clusters": [{"name": name, "weight": 50} for name in names]}
    s.action["hash_policy"] = [{"header": {"header_name": "x-user"}}]
    return "/route/weighted_clusters"


@breaks("ESM337")
def _(s: Site) -> str:
    header = {"name": "User-Agent", "string_match": {"safe_regex": {"regex": "iPhone|Android"}}}
    s.add_route(match={"prefix": "/", "headers": [header]}, direct_response={"status": 200})
    return "/routes/0/match/headers/0"


@breaks("ESM338")
def _(s: Site) -> str:
    s.add_route(match={"path": "/by-header"}, route={"cluster_header": "x-cluster", "timeout": "5s"})
    return "/routes/0/route/cluster_header"
