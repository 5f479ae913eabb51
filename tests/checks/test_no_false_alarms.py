"""What a rule says, or does not say, where the pattern it looks for is meant or has another end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from envoysim.checks import ALL

from .breaking import EDITS
from .healthy import HTTP, TLS, TYPE, Json, Site, healthy, loaded
from .test_rules import found

BY_CODE = {check.code: check for check in ALL}
LISTENER = TYPE + "envoy.extensions.filters.listener."
NOWHERE = {"grpc_service": {"envoy_grpc": {"cluster_name": "nowhere"}}}
NO_LIMITER = {"domain": "shop", "rate_limit_service": {**NOWHERE, "transport_api_version": "V3"}}
Edit = Callable[[Site], object]


def listener_filter(kind: str) -> Edit:
    made = [{"name": "first", "typed_config": {"@type": LISTENER + kind}}]
    return lambda s: (EDITS["ESM202"](s), s.listener.update(listener_filters=made))


def http_filter(kind: str, config: Json) -> Edit:
    return lambda s: s.add_filter(kind, config)


def domains(*names: str) -> Edit:
    return lambda s: s.host.update(domains=list(names))


def lost(**action: object) -> Edit:
    return lambda s: (EDITS["ESM401"](s), s.action.update(action))


def on_demand(s: Site) -> None:
    EDITS["ESM401"](s)
    s.add_filter("on_demand.v3.OnDemand", {"odcds": {"source": {"ads": {}}}})


def on_demand_for_the_route(s: Site) -> None:
    EDITS["ESM401"](s)
    s.add_filter("on_demand.v3.OnDemand", {}, name="on_demand")
    config = {"@type": HTTP + "on_demand.v3.PerRouteConfig", "odcds": {"source": {"ads": {}}}}
    s.route["typed_per_filter_config"] = {"on_demand": config}


def route_is_looked_up_again(s: Site) -> None:
    """The filter after the one that sets the header clears the route cache."""
    EDITS["ESM333"](s)
    lua = {"name": "lua", "typed_config": {"@type": HTTP + "lua.v3.Lua"}}
    s.manager["http_filters"].insert(1, lua)


def upgrade_stays_on(s: Site) -> None:
    EDITS["ESM334"](s)
    s.action["upgrade_configs"][0]["enabled"] = True


def full_refill(s: Site) -> None:
    EDITS["ESM525"](s)
    s.manager["http_filters"][0]["typed_config"]["token_bucket"]["tokens_per_fill"] = 100


def limit_only_watches(s: Site) -> None:
    EDITS["ESM525"](s)
    s.manager["http_filters"][0]["typed_config"].pop("filter_enforced")


def descriptor_with(*actions: Json, **entry: str) -> Edit:
    """The descriptor of the bad example asks for one entry; the route's actions make ``actions``."""

    def edit(s: Site) -> None:
        EDITS["ESM526"](s)
        s.manager["http_filters"][0]["typed_config"]["descriptors"][0]["entries"] = [entry]
        s.action["rate_limits"] = [{"actions": list(actions)}]

    return edit


def header_action(key: str, **more: object) -> Json:
    return {"request_headers": {"header_name": "x", "descriptor_key": key, **more}}


def principals(*names: str, taken: str = "") -> Edit:
    """A policy for identities, behind a chain that takes those which begin with ``taken``."""

    def edit(s: Site) -> None:
        EDITS["ESM527"](s)
        policy = s.manager["http_filters"][0]["typed_config"]["rules"]["policies"]["caller"]
        policy["principals"] = [{"authenticated": {"principal_name": {"exact": name}}} for name in names]
        names_taken = [{"san_type": "URI", "matcher": {"prefix": taken}}] if taken else []
        common = {"validation_context": {"match_typed_subject_alt_names": names_taken}}
        context = {"@type": TLS + "DownstreamTlsContext", "common_tls_context": common}
        s.chain["transport_socket"] = {"name": "tls", "typed_config": context}

    return edit


def https_redirect(tls: bool) -> Edit:
    """The plaintext listener redirects to HTTPS; a TLS listener stands beside it, or none."""

    def edit(s: Site) -> None:
        s.route.pop("route")
        s.route["redirect"] = {"https_redirect": True}
        if not tls:
            s.tls[0].pop("transport_socket")

    return edit


def many_routes(s: Site) -> None:
    s.host["routes"] *= 101


def idle(route: str | None, manager: str | None, timeout: str) -> Edit:
    """Timeouts of a route and its connection manager."""

    def edit(s: Site) -> None:
        s.action.update(timeout=timeout, **({"idle_timeout": route} if route else {}))
        s.manager.update({"stream_idle_timeout": manager} if manager else {})

    return edit


@pytest.mark.parametrize(
    ("code", "edit"),
    [
        ("ESM202", listener_filter("dynamic_modules.v3.DynamicModuleListenerFilter")),
        ("ESM202", listener_filter("tls_inspector.v3.TlsInspector")),
        ("ESM313", https_redirect(tls=True)),
        ("ESM333", route_is_looked_up_again),
        ("ESM334", upgrade_stays_on),
        ("ESM401", on_demand),
        ("ESM401", on_demand_for_the_route),
        ("ESM525", full_refill),
        ("ESM525", limit_only_watches),
        ("ESM526", descriptor_with(header_action("user"), key="user", value="ann")),
        ("ESM526", descriptor_with(header_action("user"), key="user")),
        ("ESM526", descriptor_with(header_action("a", skip_if_absent=True), header_action("b"), key="b", value="1")),
        ("ESM526", descriptor_with({"generic_key": {"descriptor_value": "x"}}, key="generic_key", value="x")),
        ("ESM526", descriptor_with({"extension": {"name": "x", "typed_config": {}}}, key="other", value="x")),
        ("ESM527", principals("spiffe://a.example/ns/n/sa/s", taken="spiffe://a.example/")),
        ("ESM527", principals("spiffe://a.example/ns/n/sa/s", "spiffe://b.example/x", taken="spiffe://b.example/")),
        ("ESM527", principals("spiffe://a.example/ns/n/sa/s")),
        ("ESM527", principals("CN=shop", "shop.example")),
        ("ESM529", http_filter("ratelimit.v3.RateLimit", {**NO_LIMITER, "timeout": "1s"})),
        ("ESM609", idle(None, None, "0s")),
        ("ESM609", idle("0s", "5s", "600s")),
        ("ESM609", idle("600s", "5s", "60s")),
    ],
)
def test_what_is_meant_is_not_told(code: str, edit: Edit) -> None:
    site = Site(healthy())
    edit(site)

    assert found(BY_CODE[code], loaded(site.document)) == []


@pytest.mark.parametrize(
    ("code", "edit", "severity", "end"),
    [
        ("ESM202", listener_filter("proxy_protocol.v3.ProxyProtocol"), "error", "it never matches"),
        ("ESM304", many_routes, "info", "has 202 routes: whether some cross was not decided (more than 200)"),
        ("ESM313", https_redirect(tls=False), "info", "redirected again (redirect loop)"),
        ("ESM320", domains("api.*:8080"), "error", "`*` is not part of one"),
        ("ESM320", domains("api.*", "api.*:8080"), "info", "`api.*` takes its hosts, with any port"),
        ("ESM401", lost(), "error", ": 503 NC cluster_not_found"),
        ("ESM401", lost(cluster_not_found_response_code="NOT_FOUND"), "error", ": 404 NC cluster_not_found"),
        (
            "ESM526",
            descriptor_with(header_action("a"), header_action("b"), key="a", value="1"),
            "warning",
            "never matches: the rate_limits actions make only `a, b`; its token bucket never limits, requests take the "
            "default bucket",
        ),
        (
            "ESM526",
            descriptor_with({"generic_key": {"descriptor_value": "x"}}, key="generic_key", value="y"),
            "warning",
            "make only `generic_key=x`; its token bucket never limits, requests take the default bucket",
        ),
        (
            "ESM527",
            principals("spiffe://cluster.local/ns/n/sa/s", taken="spiffe://prod.example/"),
            "warning",
            "the chain takes trust domain `prod.example` only; it allows nobody, 403 "
            "rbac_access_denied_matched_policy[none]",
        ),
        (
            "ESM529",
            http_filter("ratelimit.v3.RateLimit", NO_LIMITER),
            "info",
            "20 ms to answer (the default), and where it takes longer: no limit",
        ),
        (
            "ESM529",
            http_filter("ext_proc.v3.ExternalProcessor", NOWHERE),
            "info",
            "200 ms to answer (the default), and where it takes longer: 504 ext_proc_error",
        ),
        ("ESM609", idle("15s", None, "0s"), "warning", "15 s (idle_timeout) ends with 504 SI stream_idle_timeout"),
        (
            "ESM609",
            idle(None, "5s", "60s"),
            "warning",
            "5 s (stream_idle_timeout) ends with 504 SI stream_idle_timeout",
        ),
        ("ESM511", http_filter("ext_authz.v3.ExtAuthz", NOWHERE), "error", ": 403 UAEX ext_authz_error"),
        (
            "ESM511",
            http_filter("ext_authz.v3.ExtAuthz", {**NOWHERE, "status_on_error": {"code": "ServiceUnavailable"}}),
            "error",
            ": 503 UAEX ext_authz_error",
        ),
        (
            "ESM511",
            http_filter("ext_authz.v3.ExtAuthz", {**NOWHERE, "failure_mode_allow": True}),
            "error",
            "requests pass without it",
        ),
        ("ESM511", http_filter("ratelimit.v3.RateLimit", NO_LIMITER), "error", "no limit"),
        (
            "ESM511",
            http_filter("ratelimit.v3.RateLimit", {**NO_LIMITER, "failure_mode_deny": True}),
            "error",
            ": 500 RLSE rate_limiter_error where rate_limits ask it",
        ),
        (
            "ESM511",
            http_filter("ext_proc.v3.ExternalProcessor", {**NOWHERE, "failure_mode_allow": True}),
            "error",
            "requests pass without it",
        ),
    ],
)
def test_the_end_is_the_one_that_is_configured(code: str, edit: Edit, severity: str, end: str) -> None:
    site = Site(healthy())
    edit(site)
    (finding,) = (f for _, f in found(BY_CODE[code], loaded(site.document)))

    assert finding.severity == severity
    assert finding.message.endswith(end)
