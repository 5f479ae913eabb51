"""A case made by hand: timers, retries and breakers at the edges where one rule gives way to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .build import HTTP2, TYPE, Behaviour, Bench, Json, hcm, route

Pairs = tuple[tuple[str, str], ...]
OK = Behaviour(body="up")
HANG, STALL, RESET = Behaviour(action="hang"), Behaviour(action="stall"), Behaviour(action="reset")
SLOW = Behaviour(body="up", delay_ms=250)
GRPC: Pairs = (("content-type", "application/grpc"), ("te", "trailers"))
ON_5XX: Json = {"retry_on": "5xx", "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"}}
STREAM = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
SHORT_STREAM: Json = {
    STREAM: {
        "@type": TYPE + STREAM,
        "common_http_protocol_options": {"max_stream_duration": "0.12s"},
        "explicit_http_config": {"http_protocol_options": {}},
    }
}
SHORT: Json = {"typed_extension_protocol_options": SHORT_STREAM}
H2: Json = {"typed_extension_protocol_options": HTTP2}
HEDGED: Json = {"hedge_policy": {"hedge_on_per_try_timeout": True}}
NO_BUDGET: Json = {"retry_budget": {"budget_percent": {"value": 0}, "min_retry_concurrency": 0}}
NO_PANIC: Json = {"common_lb_config": {"healthy_panic_threshold": {"value": 0}}}
MAY = [{"name": "x-may"}]
GRPC_100MS = (*GRPC, ("grpc-timeout", "100m"))
PER_TRY = "upstream-rq-per-try-timeout-ms"


@dataclass(frozen=True, slots=True)
class Row:
    """One rule: the route's action, and what its cluster's endpoints do."""

    name: str
    action: Json
    upstream: Sequence[Behaviour]
    headers: Pairs = ()
    cluster: Json = field(default_factory=dict)
    dead: bool = False
    fields: Json = field(default_factory=dict)


def _asks(name: str, value: str) -> Pairs:
    return ((f"x-envoy-{name}", value),)


def _limits(thresholds: Json) -> Json:
    return {"circuit_breakers": {"thresholds": [thresholds]}}


def _retry(**fields: object) -> Json:
    return {"retry_policy": {**ON_5XX, **fields}}


ROWS: tuple[Row, ...] = (
    Row("the route's timeout before headers", {"timeout": "0.1s"}, [HANG]),
    Row("the route's timeout after headers cuts the answer", {"timeout": "0.1s"}, [STALL]),
    Row("a header replaces the route's timeout", {"timeout": "0.1s"}, [SLOW], _asks("upstream-rq-timeout-ms", "400")),
    Row("a header of 0 ends no request", {"timeout": "0.1s"}, [SLOW], _asks("upstream-rq-timeout-ms", "0")),
    Row("a malformed timeout header", {"timeout": "0.1s"}, [SLOW], _asks("upstream-rq-timeout-ms", "1s")),
    Row("another answer to a timeout", {"timeout": "0.1s"}, [HANG], _asks("upstream-rq-timeout-alt-response", "1")),
    Row("a try as long as the whole", {"timeout": "0.1s", **_retry(per_try_timeout="0.1s")}, [HANG, OK]),
    Row("a try's timeout under 5xx", {"timeout": "1s", **_retry(per_try_timeout="0.08s")}, [HANG, OK]),
    Row("a try's timeout, none left", {"timeout": "1s", **_retry(per_try_timeout="0.08s", num_retries=0)}, [HANG]),
    Row(
        "a try's timeout is no failed connection",
        {"timeout": "1s", **_retry(per_try_timeout="0.08s", retry_on="connect-failure")},
        [HANG, OK],
    ),
    Row(
        "a try's timeout under gateway-error",
        {"timeout": "1s", **_retry(per_try_timeout="0.08s", retry_on="gateway-error")},
        [HANG, OK],
    ),
    Row("a try's timeout after headers", {"timeout": "0.3s", **_retry(per_try_timeout="0.08s")}, [STALL]),
    Row("both run out", {"timeout": "0.25s", **_retry(per_try_timeout="0.1s")}, [HANG]),
    Row("a header sets a try's timeout", {"timeout": "1s", **_retry()}, [HANG, OK], _asks(PER_TRY, "80")),
    Row("an idle try", {"timeout": "1s", **_retry(per_try_idle_timeout="0.08s", num_retries=0)}, [HANG]),
    Row("an idle try is retried", {"timeout": "1s", **_retry(per_try_idle_timeout="0.08s")}, [HANG, OK]),
    Row("an idle stream", {"timeout": "0s", "idle_timeout": "0.1s"}, [HANG]),
    Row("an idle stream after headers", {"timeout": "0s", "idle_timeout": "0.1s"}, [STALL]),
    Row("a stream's duration", {"max_stream_duration": {"max_stream_duration": "0.1s"}}, [HANG]),
    Row("a stream's duration turns the timeout off", {"timeout": "0.08s", "max_stream_duration": {}}, [SLOW]),
    Row("an upstream stream's duration", {}, [HANG], cluster=SHORT),
    Row("an upstream stream's duration is retried", _retry(), [HANG, OK], cluster=SHORT),
    Row("gRPC: the timeout's status", {"timeout": "0.1s"}, [HANG], GRPC),
    Row("gRPC: its own header", {"timeout": "1s", "max_grpc_timeout": "0.5s"}, [HANG], GRPC_100MS),
    Row(
        "gRPC: its header is capped",
        {"timeout": "1s", "max_grpc_timeout": "0.1s"},
        [HANG],
        (*GRPC, ("grpc-timeout", "5S")),
    ),
    Row(
        "gRPC: less the offset",
        {"max_grpc_timeout": "1s", "grpc_timeout_offset": "0.1s"},
        [HANG],
        (*GRPC, ("grpc-timeout", "200m")),
    ),
    Row(
        "gRPC: the stream's header",
        {"timeout": "1s", "max_stream_duration": {"grpc_timeout_header_max": "0.5s"}},
        [HANG],
        GRPC_100MS,
    ),
    Row(
        "gRPC: an offset that leaves nothing",
        {"max_stream_duration": {"grpc_timeout_header_max": "0.5s", "grpc_timeout_header_offset": "0.2s"}},
        [HANG],
        GRPC_100MS,
    ),
    Row(
        "hedged: the second is sooner",
        {"timeout": "2s", **_retry(per_try_timeout="0.1s"), **HEDGED},
        [Behaviour(body="up", delay_ms=600), OK],
    ),
    Row(
        "hedged: the first is sooner",
        {"timeout": "2s", **_retry(per_try_timeout="0.1s"), **HEDGED},
        [SLOW, Behaviour(body="late", delay_ms=700)],
    ),
    Row("no retries left says so", _retry(num_retries=0), [Behaviour(status=503)]),
    Row("not wanted says nothing", _retry(retry_on="connect-failure"), [Behaviour(status=503)]),
    Row("a header asks for more retries", _retry(), [RESET, RESET, RESET, OK], _asks("max-retries", "3")),
    Row("a header alone asks for retries", {}, [Behaviour(status=503), OK], _asks("retry-on", "5xx")),
    Row("only some requests are retried: not this", _retry(retriable_request_headers=MAY), [RESET, OK]),
    Row("only some requests are retried: this", _retry(retriable_request_headers=MAY), [RESET, OK], (("x-may", "1"),)),
    Row(
        "a reset header says when",
        _retry(rate_limited_retry_back_off={"reset_headers": [{"name": "retry-after"}], "max_interval": "3s"}),
        [Behaviour(status=503, headers=(("retry-after", "1"),)), OK],
    ),
    Row("rate limited answers", _retry(), [Behaviour(status=503, headers=(("x-envoy-ratelimited", "1"),)), OK]),
    Row("a refused connection", {}, [OK], dead=True),
    Row("a refused connection, tried again", _retry(num_retries=2), [OK], dead=True),
    Row("attempts are counted", {**_retry(num_retries=2)}, [RESET, RESET, OK], fields={}),
    Row("a POST is retried as well", _retry(), [RESET, OK], fields={"method": "POST", "body": "b"}),
    Row("pending requests: none", _retry(), [OK], cluster=_limits({"max_pending_requests": 0})),
    Row("requests: none", _retry(), [OK], cluster=_limits({"max_requests": 0})),
    Row("retries: none", _retry(), [Behaviour(status=503)], cluster=_limits({"max_retries": 0})),
    Row("a retry budget of nothing", _retry(), [Behaviour(status=503), OK], cluster=_limits(NO_BUDGET)),
    Row(
        "HTTP/2: a refused stream",
        _retry(retry_on="refused-stream"),
        [Behaviour(action="h2_reset", reset_code=7), OK],
        cluster=H2,
    ),
    Row(
        "HTTP/2: another reset",
        _retry(retry_on="refused-stream"),
        [Behaviour(action="h2_reset", reset_code=2), OK],
        cluster=H2,
    ),
    Row("bytes that are no HTTP", {}, [Behaviour(action="garbage")]),
    Row("a body that breaks off", _retry(), [Behaviour(action="partial", body="half of it")]),
    Row("nobody is healthy, and panic is off", {}, [OK], cluster=NO_PANIC),
    Row("nobody is healthy, and panic is on", {}, [OK]),
)
NOBODY = frozenset({"nobody is healthy, and panic is off", "nobody is healthy, and panic is on"})


def make(bench: Bench) -> None:
    """One cluster and one route for every row; requests come from an address that counts as internal."""
    routes = []
    for index, row in enumerate(ROWS):
        name = f"c{index}"
        health = {"health_status": "UNHEALTHY"} if row.name in NOBODY else {}
        endpoints = [bench.endpoint(name, dead=row.dead, **health)]
        bench.cluster(name, localities=[{"lb_endpoints": endpoints}], **row.cluster)
        routes.append(route(row.name, {"path": f"/{index}"}, name, action=row.action))
    inside = {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}
    table = {
        "name": "rc",
        "virtual_hosts": [
            {
                "name": "v",
                "domains": ["*"],
                "routes": routes,
                "include_request_attempt_count": True,
                "include_attempt_count_in_response": True,
            }
        ],
    }
    manager = hcm(table, use_remote_address=True, internal_address_config=inside)
    destination = bench.listener([{"name": "only", "filters": [manager]}])
    for index, row in enumerate(ROWS):
        bench.send(destination, path=f"/{index}", headers=row.headers, upstream=tuple(row.upstream), **row.fields)
