"""Several requests on one connection: what it remembers, what ends it, how many requests it takes."""

from __future__ import annotations

from .build import (
    HTTP2,
    PROXY_PROTOCOL,
    TLS_INSPECTOR,
    Behaviour,
    Bench,
    Json,
    ProxyProtocol,
    Tls,
    downstream_tls,
    hcm,
    http_filter,
    route,
)

NAMES = ("k0", "k1", "k2", "k3", "k4")
ALWAYS: Json = {"default_value": {"numerator": 100}}


def _filters(bench: Bench) -> list[Json]:
    found = []
    if bench.chance(0.4):
        bucket = {"max_tokens": bench.one(1, 2, 3), "tokens_per_fill": 1, "fill_interval": "100s"}
        limit = {
            "stat_prefix": "r",
            "token_bucket": bucket,
            "filter_enabled": ALWAYS,
            "filter_enforced": ALWAYS,
            "local_rate_limit_per_downstream_connection": bench.chance(0.7),
        }
        found.append(http_filter("local_ratelimit.v3.LocalRateLimit", limit))
    if bench.chance(0.3):
        found.append(http_filter("buffer.v3.Buffer", {"max_request_bytes": 8}))
    if bench.chance(0.3):
        fault: Json = {"abort": {"http_status": 418, "percentage": {"numerator": 100}}, "headers": [{"name": "x-a"}]}
        if bench.chance(0.5):
            fault["max_active_faults"] = bench.one(0, 1)
        if bench.chance(0.4):
            fault["delay"] = {"fixed_delay": "0.03s", "percentage": {"numerator": 100}}
        found.append(http_filter("fault.v3.HTTPFault", fault))
    return found


def _manager(bench: Bench) -> Json:
    manager: Json = {}
    if bench.chance(0.7):
        manager["common_http_protocol_options"] = {"max_requests_per_connection": bench.one(1, 2, 3, 5)}
    if bench.chance(0.2):
        manager["use_remote_address"] = True
    if bench.chance(0.5):
        manager["http_protocol_options"] = {"accept_http_10": True, "default_host_for_http_10": "foo.com"}
        if bench.chance(0.5):
            manager["http_protocol_options"]["enable_trailers"] = True
    if bench.chance(0.2):
        manager["stream_error_on_invalid_http_message"] = True
    return manager


def _behaviour(bench: Bench) -> Behaviour:
    action = bench.one(*["reply"] * 8, "reset", "close", "partial", "h2_reset")
    if action != "reply":
        return Behaviour(action=action, reset_code=bench.one(7, 8) if action == "h2_reset" else 0)
    headers = (("connection", "close"),) if bench.chance(0.2) else ()
    trailers = (("x-t", "1"),) if bench.chance(0.2) else ()
    return Behaviour(status=bench.one(200, 204, 304, 503), headers=headers, trailers=trailers, body=bench.one("", "up"))


def _chain(bench: Bench, name: str) -> Json:
    routes = [
        {"name": "direct", "match": {"path": "/direct"}, "direct_response": {"status": 200, "body": _text(name)}},
        {"name": "away", "match": {"path": "/away"}, "redirect": {"path_redirect": "/"}},
        route("a", {"prefix": "/a"}, "c0"),
        route("b", {"prefix": "/b"}, "c1"),
    ]
    table = {"name": f"rc-{name}", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]}
    return {"name": name, "filters": [hcm(table, _filters(bench), **_manager(bench))]}


def _text(text: str) -> Json:
    return {"inline_string": text}


def make(bench: Bench) -> None:
    """Two chains, five connections that requests share by turns, some requests alone."""
    trailers: Json = {"http_protocol_options": {"enable_trailers": True}} if bench.chance(0.5) else {}
    bench.cluster("c0", **({"typed_extension_protocol_options": HTTP2} if bench.chance(0.3) else trailers))
    limit: Json = {"common_http_protocol_options": {"max_requests_per_connection": 2}} if bench.chance(0.3) else {}
    bench.cluster("c1", **limit)
    tls = _chain(bench, "tls")
    tls["filter_chain_match"] = {"transport_protocol": "tls"}
    tls["transport_socket"] = downstream_tls("h2", "http/1.1")
    destination = bench.listener([tls, _chain(bench, "plain")], listener_filters=[PROXY_PROTOCOL, TLS_INSPECTOR])
    of_name = {}
    for name in NAMES:
        protocol = bench.one("HTTP/1.1", "HTTP/1.1", "HTTP/2", "HTTP/1.0")
        hello = None
        if protocol != "HTTP/1.0" and bench.chance(0.4):
            hello = Tls("foo.com", ("h2",) if protocol == "HTTP/2" else bench.one((), ("http/1.1",)))
        of_name[name] = protocol, hello, f"{bench.one('1.2.3.4', '10.0.0.1')}:{bench.one(1000, 2000)}"
    for _ in range(40):
        name = bench.one(*NAMES)
        protocol, hello, source = of_name[name]
        headers = [("x-a", "1")] if bench.chance(0.15) else []
        if protocol == "HTTP/1.0" and bench.chance(0.7):
            headers.append(("connection", "keep-alive"))
        elif protocol == "HTTP/1.1" and bench.chance(0.1):
            headers.append(("connection", bench.one("close", "keep-alive")))
        if bench.chance(0.05):
            headers.append(("x-bad name", "1") if protocol != "HTTP/2" else ("x-under_score", "1"))
        method = bench.one("GET", "GET", "GET", "POST", "POST", "HEAD")
        bench.send(
            destination,
            protocol=protocol,
            tls=hello,
            proxy_protocol=ProxyProtocol(source, "10.0.0.9:80"),
            reuse=name if bench.chance(0.9) else None,
            path=bench.one("/a", "/a/x", "/b", "/b", "/direct", "/away", "/none"),
            method=method,
            headers=tuple(headers),
            body=bench.one("", "body", "a longer body") if method == "POST" else "",
            upstream=(_behaviour(bench),) if bench.chance(0.4) else (),
        )


def make_two_each(bench: Bench) -> None:
    """Made by hand: two requests to a connection, so that a bucket of two per connection never runs dry; trailers."""
    bench.cluster("c0", **_BOTH_WAYS)
    bench.cluster("c1")
    bucket = {"max_tokens": 2, "tokens_per_fill": 1, "fill_interval": "100s"}
    limit = {
        "stat_prefix": "r",
        "token_bucket": bucket,
        "filter_enabled": ALWAYS,
        "filter_enforced": ALWAYS,
        "local_rate_limit_per_downstream_connection": True,
    }
    routes = [route("read", {"prefix": "/read"}, "c0"), route("dropped", {"prefix": "/"}, "c1")]
    two = {"common_http_protocol_options": {"max_requests_per_connection": 2}}
    destination = bench.serve(routes, [http_filter("local_ratelimit.v3.LocalRateLimit", limit)], **two)
    answer = (Behaviour(trailers=(("x-t", "1"),), body="up"),)
    for protocol in ("HTTP/1.1", "HTTP/2"):
        for path in ("/read", "/dropped", "/read"):
            bench.send(destination, protocol=protocol, reuse=protocol, path=path, upstream=answer)


_BOTH_WAYS: Json = {"http_protocol_options": {"enable_trailers": True}}
