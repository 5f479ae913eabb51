"""Failing upstreams: retries, timeouts, circuit breakers, outlier ejection, mirrors, internal redirects."""

from __future__ import annotations

from .build import HTTP2, TYPE, Behaviour, Bench, Json, route, some_headers

RETRY_ON = (
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-headers",
    "retriable-status-codes",
    "5xx,retriable-4xx",
    "connect-failure,refused-stream,retriable-status-codes",
    "cancelled,unavailable",
    "http3-post-connect-failure",
    "unknown",
)


def _retry(bench: Bench, ejects: bool) -> Json:
    policy: Json = {
        "retry_on": bench.one(*RETRY_ON),
        "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"},
    }
    if ejects:  # whether a retry still meets the host is a race between Envoy's threads
        policy["num_retries"] = 0
    elif bench.chance(0.7):
        policy["num_retries"] = bench.one(0, 1, 2, 3)
    if bench.chance(0.3):
        policy["retriable_status_codes"] = bench.one([404], [500, 201], [200])
    if bench.chance(0.3):
        policy["retriable_headers"] = [bench.one({"name": "x-retry"}, {"name": "x-a", "string_match": {"prefix": "u"}})]
    if bench.chance(0.2):
        policy["retriable_request_headers"] = [{"name": "x-a"}]
    if bench.chance(0.25):
        policy["per_try_timeout"] = "0.08s"
    if bench.chance(0.15):
        policy["per_try_idle_timeout"] = "0.07s"
    if bench.chance(0.2):
        kind = TYPE + "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
        policy["retry_host_predicate"] = [{"name": "p", "typed_config": {"@type": kind}}]
        policy["host_selection_retry_max_attempts"] = bench.one(1, 3)
    return policy


def _action(bench: Bench, ejects: bool) -> Json:
    action: Json = {}
    if bench.chance(0.8):
        action["retry_policy"] = _retry(bench, ejects)
    if bench.chance(0.25):
        action["timeout"] = bench.one("0.27s", "0s", "0.2s")
    if bench.chance(0.15):
        action["idle_timeout"] = "0.13s"
    if bench.chance(0.15):
        action["max_stream_duration"] = bench.one(
            {"max_stream_duration": "0.27s"}, {"grpc_timeout_header_max": "0.2s", "max_stream_duration": "0s"}
        )
    if bench.chance(0.15):
        action["request_mirror_policies"] = [
            {"cluster": "mirror", **({"disable_shadow_host_suffix_append": True} if bench.chance(0.3) else {})}
        ]
    if bench.chance(0.25):
        action["internal_redirect_policy"] = {
            "max_internal_redirects": bench.one(1, 2),
            "redirect_response_codes": bench.one([302], [301, 302, 303, 307]),
            "allow_cross_scheme_redirect": bench.chance(0.5),
            **({"response_headers_to_copy": ["x-a"]} if bench.chance(0.4) else {}),
        }
    return action


def _cluster(bench: Bench, name: str, ejects: bool) -> None:
    count, dead = bench.one(1, 1, 2, 3), bench.one(0, 0, 0, 1)
    endpoints = [bench.endpoint(name, dead=i < dead and (count > 1 or bench.chance(0.3))) for i in range(count)]
    fields: Json = {"localities": [{"lb_endpoints": endpoints}]}
    if bench.chance(0.25):
        fields["typed_extension_protocol_options"] = HTTP2
    if bench.chance(0.25):
        limits = bench.one({"max_requests": 0}, {"max_retries": 0}, {"max_connections": 0}, {"max_pending_requests": 0})
        fields["circuit_breakers"] = {"thresholds": [{"priority": "DEFAULT", **limits}]}
    if ejects:
        fields["outlier_detection"] = {
            "consecutive_5xx": bench.one(1, 2, 3),
            "consecutive_gateway_failure": bench.one(2, 3),
            "enforcing_consecutive_gateway_failure": bench.one(0, 100),
            "interval": "60s",
            "base_ejection_time": "60s",
            "max_ejection_percent": bench.one(10, 50, 100),
            **({"split_external_local_origin_errors": True} if bench.chance(0.4) else {}),
        }
    if bench.chance(0.2):
        fields["connect_timeout"] = "0.1s"
    bench.cluster(name, **fields)


def _behaviour(bench: Bench) -> Behaviour:
    action = bench.one(*["reply"] * 12, "reset", "close", "garbage", "hang", "partial", "h2_reset")
    if action == "h2_reset":
        return Behaviour(action="h2_reset", reset_code=bench.one(7, 8, 2))
    if action != "reply":
        return Behaviour(action=action)
    status = bench.one(200, 200, 404, 409, 500, 502, 503, 504, 201, 302)
    headers: list[tuple[str, str]] = []
    if status == 302:
        target = bench.one("/again", "http://foo.com/a", "https://foo.com/b", "http://other/c", "bad", "/a?b=c")
        headers.append(("location", target))
    if bench.chance(0.2):
        headers.append(bench.one(("x-retry", "1"), ("x-a", "up"), ("retry-after", "1"), ("x-envoy-overloaded", "1")))
    delay = bench.one(0.0, 0.0, 0.0, 0.0, 0.0, 20.0, 600.0)
    if bench.chance(0.1):
        return Behaviour(grpc_status=bench.one(0, 1, 4, 14, 5), delay_ms=delay)
    return Behaviour(status=status, headers=tuple(headers), body="up", delay_ms=delay)


def make(bench: Bench) -> None:
    """Four routes to three clusters, thirty requests that meet failures."""
    ejects = bench.chance(0.3)
    for name in ("c0", "c1"):
        _cluster(bench, name, ejects)
    bench.cluster("mirror")
    routes = []
    for i in range(4):
        where = {"prefix": "/"} if i == 3 else {"prefix": "/" + bench.one("a", "b", "again", "c")}
        routes.append(route(f"r{i}", where, bench.one("c0", "c1"), action=_action(bench, ejects)))
    table: Json = {}
    if bench.chance(0.3):
        table["retry_policy"] = _retry(bench, ejects)
    if bench.chance(0.3):
        table["include_request_attempt_count"] = True
        table["include_attempt_count_in_response"] = True
    manager: Json = bench.one({}, {}, {"use_remote_address": True}, {"stream_idle_timeout": "0.3s"})
    from .build import hcm

    hosts = [{"name": "v", "domains": ["*"], "routes": routes, **table}]
    filters = [{"name": "only", "filters": [hcm({"name": "rc", "virtual_hosts": hosts}, **manager)]}]
    destination = bench.listener(filters)
    for _ in range(24):
        headers = list(some_headers(bench.rng, 1))
        for pair, share in (
            (("x-envoy-retry-on", bench.one(*RETRY_ON)), 0.0 if ejects else 0.15),
            (("x-envoy-max-retries", bench.one("1", "0", "x")), 0.0 if ejects else 0.1),
            (("x-envoy-upstream-rq-timeout-ms", bench.one("200", "0", "x")), 0.1),
            (("x-envoy-upstream-rq-per-try-timeout-ms", bench.one("80", "900")), 0.1),
            (("x-envoy-retriable-status-codes", "404,409"), 0.1),
            (("x-envoy-retriable-header-names", "x-a"), 0.05),
            (("x-envoy-retry-grpc-on", "unavailable"), 0.0 if ejects else 0.05),
            (("x-envoy-upstream-alt-stat-name", "alt"), 0.05),
            (("content-type", "application/grpc"), 0.1),
            (("grpc-timeout", bench.one("50m", "9S", "x")), 0.08),
        ):
            if bench.chance(share):
                headers.append(pair)
        bench.send(
            destination,
            path=bench.one("/a", "/b", "/c/x", "/again", "/"),
            method=bench.one("GET", "GET", "POST"),
            headers=tuple(headers),
            protocol=bench.one("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/2"),
            upstream=tuple(_behaviour(bench) for _ in range(bench.one(1, 1, 2, 3))) if bench.chance(0.8) else (),
        )
