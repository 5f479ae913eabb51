"""Filters that ask services: ext_authz over HTTP with a scripted service, gRPC services that are not reachable."""

from __future__ import annotations

from .build import HTTP2, Behaviour, Bench, Json, http_filter, route, some_headers, words


def _patterns(*names: str) -> Json:
    return {"patterns": [{"exact": name} for name in names]}


def _verdict(bench: Bench) -> Behaviour:
    action = bench.one(*["reply"] * 9, "reset", "close", "hang")
    if action != "reply":
        return Behaviour(action=action)
    headers = tuple(
        pair
        for pair in (
            ("x-b", "from-service"),
            ("x-c", "1"),
            ("location", "http://login/"),
            ("www-authenticate", "Basic"),
            ("x-envoy-auth-headers-to-remove", "x-a, x-long-name"),
            ("set-cookie", "k=v"),
        )
        if bench.chance(0.3)
    )
    return Behaviour(status=bench.one(200, 200, 200, 204, 302, 401, 403, 404, 500, 503), headers=headers, body="said")


def _http_service(bench: Bench, cluster: str) -> Json:
    request: Json = {}
    if bench.chance(0.4):
        request["allowed_headers"] = _patterns("x-a", "x-b")
    if bench.chance(0.3):
        request["headers_to_add"] = [{"key": "x-added", "value": "1"}]
    answer: Json = {}
    for name, share in (
        ("allowed_upstream_headers", 0.5),
        ("allowed_upstream_headers_to_append", 0.3),
        ("allowed_client_headers", 0.4),
        ("allowed_client_headers_on_success", 0.4),
    ):
        if bench.chance(share):
            answer[name] = _patterns(*bench.one(("x-b",), ("x-b", "x-c"), ("set-cookie", "x-c"), ("location",)))
    service: Json = {"server_uri": {"uri": "http://service", "cluster": cluster, "timeout": "0.15s"}}
    if bench.chance(0.3):
        service["path_prefix"] = "/check"
    if request:
        service["authorization_request"] = request
    if answer:
        service["authorization_response"] = answer
    return {"http_service": service}


def _grpc(cluster: str, timeout: str = "0.2s") -> Json:
    return {"grpc_service": {"envoy_grpc": {"cluster_name": cluster}, "timeout": timeout}}


def _ext_authz(bench: Bench) -> Json:
    config = _http_service(bench, "authz") if bench.chance(0.7) else _grpc("unreachable")
    for name, share in (
        ("failure_mode_allow", 0.5),
        ("failure_mode_allow_header_add", 0.5),
        ("clear_route_cache", 0.3),
    ):
        if bench.chance(share):
            config[name] = True
    if bench.chance(0.3):
        config["status_on_error"] = {"code": bench.one(500, 503)}
    if bench.chance(0.3):
        config["with_request_body"] = {"max_request_bytes": 4, "allow_partial_message": bench.chance(0.5)}
    asks = config.get("http_service", {}).get("authorization_request", {})
    if "allowed_headers" not in asks and bench.chance(0.2):
        config["allowed_headers"] = _patterns("x-a")
    if bench.chance(0.2):
        config["disallowed_headers"] = _patterns("x-b")
    return http_filter("ext_authz.v3.ExtAuthz", config)


def _ratelimit(bench: Bench) -> Json:
    service = {**_grpc("unreachable"), "transport_api_version": "V3"}
    config: Json = {"domain": "d", "rate_limit_service": service, "failure_mode_deny": bench.chance(0.5)}
    if bench.chance(0.4):
        config["status_on_error"] = {"code": 503}
    return http_filter("ratelimit.v3.RateLimit", config)


def _ext_proc(bench: Bench) -> Json:
    mode = {"request_header_mode": bench.one("SEND", "SKIP"), "response_header_mode": bench.one("SEND", "SKIP")}
    config = {**_grpc("unreachable"), "failure_mode_allow": bench.chance(0.5), "processing_mode": mode}
    return http_filter("ext_proc.v3.ExternalProcessor", config)


def make(bench: Bench) -> None:
    """One or two filters that ask, and maybe a mutation before or after them."""
    bench.cluster("c0")
    bench.service("authz", tuple(_verdict(bench) for _ in range(bench.one(1, 3, 5))))
    dead = [{"lb_endpoints": [bench.endpoint("unreachable", dead=True)]}]
    bench.cluster("unreachable", localities=dead, typed_extension_protocol_options=HTTP2)
    makers = bench.one([_ext_authz], [_ext_authz], [_ext_authz], [_ratelimit], [_ext_proc], [_ratelimit, _ext_authz])
    filters = [make_filter(bench) for make_filter in makers]
    if bench.chance(0.3):
        mutation = {"request_mutations": [{"append": words.header_value_options(bench.rng)[0]}]}
        filters.insert(
            bench.one(0, len(filters)), http_filter("header_mutation.v3.HeaderMutation", {"mutations": mutation})
        )
    limits = [
        {
            "actions": [
                bench.one(
                    {"generic_key": {"descriptor_value": "g"}},
                    {"request_headers": {"header_name": "x-a", "descriptor_key": "a"}},
                )
            ]
        }
    ]
    off: Json = {}
    if bench.chance(0.5):
        kind = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"
        off = {"typed_per_filter_config": {"ext_authz": {"@type": kind, "disabled": True}}}
    routes: list[Json] = [
        route("b", {"prefix": "/", "headers": [{"name": "x-b"}]}, "c0"),
        route("a", {"prefix": "/a"}, "c0", action={"rate_limits": limits}),
        {"name": "direct", "match": {"path": "/direct"}, "direct_response": {"status": 200}},
        route("off", {"prefix": "/off"}, "c0", **(off if makers == [_ext_authz] else {})),
    ]
    destination = bench.serve(routes, filters)
    for _ in range(25):
        method = bench.one("GET", "GET", "POST", "HEAD")
        headers = list(some_headers(bench.rng, 2))
        if bench.chance(0.2):
            headers.append(("authorization", "Bearer t"))
        if bench.chance(0.15):
            headers.append(("content-type", "application/grpc"))
        bench.send(
            destination,
            path=bench.one("/a", "/a?q=1", "/off", "/direct", "/none"),
            method=method,
            headers=tuple(headers),
            body=bench.one("", "abc", "abcdefgh") if method == "POST" else "",
            protocol=bench.one("HTTP/1.1", "HTTP/1.1", "HTTP/2"),
        )
