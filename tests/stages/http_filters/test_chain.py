"""The filter chain: who is created, in which order, with which per-route configuration."""

from __future__ import annotations

import json
from typing import Any

import pytest

from envoysim.load import load
from envoysim.stages.http_filters import FILTERS, TABLES, find_filter
from envoysim.stages.proxy import Proxy

from .whole import FILTER_CONFIG, HTTP, Json, bootstrap, cluster, http_filter, make_proxy, play, routes

DENY = {"rules": {"action": "ALLOW"}}
OPEN = {"@type": HTTP + "rbac.v3.RBACPerRoute", "rbac": {}}
CLOSED = {"@type": HTTP + "rbac.v3.RBACPerRoute", "rbac": DENY}
OFF = {"@type": FILTER_CONFIG, "disabled": True}
ON = {"@type": FILTER_CONFIG, "config": {}}
TO_C = {"match": {"prefix": "/"}, "route": {"cluster": "c"}}


def per_route(config: Json | None, name: str = "rbac") -> Json:
    return {"typed_per_filter_config": {name: config}} if config is not None else {}


LEVELS = [
    ("filter only", None, None, None, {}, 403),
    ("route configuration", OPEN, None, None, {}, 200),
    ("virtual host over route configuration", OPEN, CLOSED, None, {}, 403),
    ("route over virtual host", None, CLOSED, OPEN, {}, 200),
    ("wrapped", None, None, {"@type": FILTER_CONFIG, "config": OPEN}, {}, 200),
    ("disabled on the route", None, None, OFF, {}, 200),
    ("disabled on the host, enabled on the route", None, OFF, ON, {}, 403),
    ("disabled on the host, configured on the route", None, OFF, CLOSED, {}, 403),
    ("disabled in the chain", None, None, None, {"disabled": True}, 200),
    ("disabled in the chain, enabled on the route", None, None, ON, {"disabled": True}, 403),
    ("disabled in the chain, configured on the host", None, CLOSED, None, {"disabled": True}, 403),
]


@pytest.mark.parametrize(("name", "table", "host", "route", "entry", "status"), LEVELS, ids=[row[0] for row in LEVELS])
def test_levels(name: str, table: Json | None, host: Json | None, route: Json | None, entry: Json, status: int) -> None:
    config = routes({**TO_C, **per_route(route)}, host=per_route(host), table=per_route(table))
    proxy = make_proxy(bootstrap([http_filter("rbac", "rbac.v3.RBAC", DENY, **entry)], config))
    assert play(proxy).outcome.status == status


def test_configuration_is_found_by_the_entry_s_name() -> None:
    config = routes({**TO_C, **per_route(OPEN, "envoy.filters.http.rbac")})
    for name, status in (("envoy.filters.http.rbac", 200), ("mine", 403)):
        proxy = make_proxy(bootstrap([http_filter(name, "rbac.v3.RBAC", DENY)], config))
        assert play(proxy).outcome.status == status


def test_the_weighted_cluster_is_the_most_specific_level() -> None:
    weighted = {"clusters": [{"name": "c", "weight": 1, **per_route(OPEN)}]}
    route = {"match": {"prefix": "/"}, "route": {"weighted_clusters": weighted}, **per_route(CLOSED)}
    proxy = make_proxy(bootstrap([http_filter("rbac", "rbac.v3.RBAC", DENY)], routes(route)))
    assert play(proxy).outcome.status == 200


def test_without_a_route_the_filter_s_own_configuration_counts() -> None:
    config = routes({"match": {"path": "/a"}, "route": {"cluster": "c"}}, host=per_route(OPEN))
    proxy = make_proxy(bootstrap([http_filter("rbac", "rbac.v3.RBAC", DENY)], config))
    outcomes = [play(proxy, path).outcome for path in ("/a", "/b")]
    assert [(o.status, o.response_code_details) for o in outcomes] == [
        (200, "via_upstream"),
        (403, "rbac_access_denied_matched_policy[none]"),
    ]


def test_filters_run_in_order_and_see_each_other_s_work() -> None:
    mutation = http_filter(
        "mutation",
        "header_mutation.v3.HeaderMutation",
        {"mutations": {"request_mutations": [{"append": {"header": {"key": "x-in", "value": "1"}}}]}},
    )
    rule = {"header": {"name": "x-in", "present_match": True}}
    policy = {"permissions": [rule], "principals": [{"any": True}]}
    allow = http_filter("rbac", "rbac.v3.RBAC", {"rules": {"action": "ALLOW", "policies": {"p": policy}}})
    for filters, status in (([mutation, allow], 200), ([allow, mutation], 403)):
        assert play(make_proxy(bootstrap(filters, routes(TO_C)))).outcome.status == status


def test_local_replies_pass_through_the_encoders() -> None:
    cors = http_filter("cors", "cors.v3.Cors")
    policy = {"@type": HTTP + "cors.v3.CorsPolicy", "allow_origin_string_match": [{"prefix": "http"}]}
    config = routes({**TO_C, **per_route(policy, "cors")})
    proxy = make_proxy(bootstrap([cors, http_filter("rbac", "rbac.v3.RBAC", DENY)], config))
    outcome = play(proxy, headers=(("origin", "http://a.com"),)).outcome
    assert outcome.status == 403
    assert ("access-control-allow-origin", "http://a.com") in outcome.headers


DISCOVERY = {"config_source": {"ads": {}}, "type_urls": [HTTP + "rbac.v3.RBAC"]}
ECDS = [
    ("delivered", {}, True, 403, "rbac_access_denied_matched_policy[none]"),
    ("default", {"default_config": {"@type": HTTP + "rbac.v3.RBAC", **DENY}}, False, 403, None),
    ("delivered over default", {"default_config": {"@type": HTTP + "rbac.v3.RBAC"}}, True, 403, None),
    ("missing", {}, False, 500, ""),
]


@pytest.mark.parametrize(("name", "fields", "delivered", "status", "details"), ECDS, ids=[row[0] for row in ECDS])
def test_discovered_filters(name: str, fields: Json, delivered: bool, status: int, details: str | None) -> None:
    entry = {"name": "rbac", "config_discovery": {**DISCOVERY, **fields}}
    source: Any = bootstrap([entry], routes(TO_C))
    dump = {
        "configs": [
            {"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": source},
            *([_delivered()] if delivered else []),
        ]
    }
    outcome = play(Proxy(load([json.dumps(dump).encode()]))).outcome
    assert outcome.status == status
    assert details is None or (outcome.response_code_details or "") == details
    assert outcome.response_flags == (("NFCF",) if status == 500 else ())


def _delivered() -> Json:
    config = {
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": "rbac",
        "typed_config": {"@type": HTTP + "rbac.v3.RBAC", **DENY},
    }
    return {
        "@type": "type.googleapis.com/envoy.admin.v3.EcdsConfigDump",
        "ecds_filters": [{"version_info": "1", "ecds_filter": config}],
    }


@pytest.mark.parametrize(("name", "status"), [("envoy.router", 200), ("envoy.filters.http.router", 200)])
def test_old_entries_have_only_a_name(name: str, status: int) -> None:
    source = bootstrap([{"name": "envoy.cors"}], routes(TO_C))
    manager = source["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"][-1] = {"name": name}
    assert play(make_proxy(source)).outcome.status == status


def test_unknown_filters_are_passed_and_named() -> None:
    typed = {"@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": "type.googleapis.com/acme.Magic"}
    proxy = make_proxy(bootstrap([{"name": "magic", "typed_config": typed}], routes(TO_C)))
    outcome = play(proxy).outcome
    assert outcome.status == 200
    assert [n.text for n in outcome.notes if "magic" in n.text] == [
        "filter `magic` (acme.Magic) is not modelled: "
        "it may answer requests itself, change headers or choose another route"
    ]


def test_an_upgrade_may_have_filters_of_its_own() -> None:
    own = [http_filter("rbac", "rbac.v3.RBAC", DENY), http_filter("router", "router.v3.Router")]
    upgrades = [{"upgrade_type": "websocket", "filters": own}]
    proxy = make_proxy(bootstrap([], routes(TO_C), upgrade_configs=upgrades))
    upgrade = (("connection", "upgrade"), ("upgrade", "websocket"))
    assert play(proxy).outcome.status == 200
    assert play(proxy, headers=upgrade).outcome.status == 403


def test_a_cleared_route_is_chosen_anew_and_keeps_the_chain() -> None:
    mutation = {"mutations": {"request_mutations": [{"append": {"header": {"key": "x-in", "value": "1"}}}]}}
    value = {
        "object_key": "k",
        "factory_key": "envoy.string",
        "format_string": {"text_format_source": {"inline_string": "v"}},
    }
    clearing = http_filter(
        "state", "set_filter_state.v3.Config", {"on_request_headers": [value], "clear_route_cache": True}
    )
    mutating = http_filter("mutation", "header_mutation.v3.HeaderMutation", mutation)
    deny = http_filter("rbac", "rbac.v3.RBAC", DENY)
    new = {
        "name": "new",
        "match": {"prefix": "/", "headers": [{"name": "x-in", "present_match": True}]},
        "direct_response": {"status": 201},
        **per_route(OFF),
    }
    old = {"name": "old", "match": {"prefix": "/"}, "direct_response": {"status": 202}}
    cases = [
        ([mutating], "old", 202),
        ([mutating, clearing], "new", 201),
        # The chain was made for the old route: RBAC is in it, although the new one disables it.
        ([mutating, clearing, deny], "new", 403),
    ]
    for filters, route, status in cases:
        outcome = play(make_proxy(bootstrap(filters, routes(new, old)))).outcome
        assert (outcome.route, outcome.status) == (route, status)


@pytest.mark.parametrize(("type_name", "module"), FILTERS)
def test_registry(type_name: str, module: str) -> None:
    row = find_filter(type_name)
    assert row is not None
    assert row.type_name == type_name


def test_registry_is_sorted_and_unique() -> None:
    names = [type_name for type_name, _ in FILTERS]
    assert len(set(names)) == len(names)
    assert TABLES
    assert find_filter("acme.Magic") is None


def test_clusters_differ() -> None:
    assert cluster("a", 1) != cluster("b", 1)
