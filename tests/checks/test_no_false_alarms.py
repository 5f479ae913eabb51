"""What a rule says, or does not say, where the pattern it looks for is meant or has another end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from envoysim.checks import ALL

from .breaking import EDITS
from .healthy import HTTP, TYPE, Json, Site, healthy, loaded
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


@pytest.mark.parametrize(
    ("code", "edit"),
    [
        ("ESM202", listener_filter("dynamic_modules.v3.DynamicModuleListenerFilter")),
        ("ESM202", listener_filter("tls_inspector.v3.TlsInspector")),
        ("ESM401", on_demand),
        ("ESM401", on_demand_for_the_route),
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
        ("ESM320", domains("api.*:8080"), "error", "`*` is not part of one"),
        ("ESM320", domains("api.*", "api.*:8080"), "info", "`api.*` takes its hosts, with any port"),
        ("ESM401", lost(), "error", ": 503 NC cluster_not_found"),
        ("ESM401", lost(cluster_not_found_response_code="NOT_FOUND"), "error", ": 404 NC cluster_not_found"),
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
