"""The router end to end: one cluster, one route, scripted upstreams; what the real Envoy 1.40 answers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from envoysim.load import load
from envoysim.model.behaviour import Behaviour, Upstream
from envoysim.model.outcome import Outcome
from envoysim.model.request import Connection, Request
from envoysim.model.world import State, World
from envoysim.run import run
from envoysim.simulate import simulate
from envoysim.stages.proxy import Proxy

Json = dict[str, Any]
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
A, B = "127.0.0.1:2001", "127.0.0.1:2002"
NO_ANSWER = "upstream connect error or disconnect/reset before headers. "
EARLY, LATE = "upstream_reset_before_response_started", "upstream_reset_after_response_started"


def endpoint(address: str, **fields: Any) -> Json:
    host, _, port = address.partition(":")
    return {"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(port)}}, **fields}}


def cluster(*addresses: str, name: str = "c", h2: bool = False, **fields: Any) -> Json:
    made: Json = {
        "name": name,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [endpoint(a) for a in addresses or (A,)]}],
        },
        **fields,
    }
    if h2:
        options = {"@type": f"type.googleapis.com/{OPTIONS}", "explicit_http_config": {"http2_protocol_options": {}}}
        made["typed_extension_protocol_options"] = {OPTIONS: options}
    return made


def proxy(
    route: Json | None = None,
    *clusters: Json,
    vhost: Json | None = None,
    router: Json | None = None,
    routes: Iterable[Json] = (),
    hcm: Json | None = None,
) -> Proxy:
    table = [*routes, {"match": {"prefix": "/"}, "route": {"cluster": "c", **(route or {})}, "name": "r"}]
    manager = {
        "@type": HCM,
        "stat_prefix": "i",
        "use_remote_address": True,
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]},
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": table, **(vhost or {})}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER, **(router or {})}}],
        **(hcm or {}),
    }
    listener = {
        "name": "l",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 80}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    bootstrap = {"static_resources": {"listeners": [listener], "clusters": list(clusters) or [cluster()]}}
    return Proxy(load([json.dumps(bootstrap).encode()]))


def ask(under: Proxy, *upstream: Behaviour, state: State | None = None, **fields: Any) -> Outcome:
    request = Request(connection=Connection(destination="127.0.0.1:80"), authority="a.com", upstream=upstream, **fields)
    return simulate(under, request, World(), state).outcome


def ended(outcome: Outcome) -> tuple[int | None, str, str | None]:
    return outcome.status, ",".join(outcome.response_flags), outcome.response_code_details


def do(action: str, **fields: Any) -> Behaviour:
    return Behaviour(action, **fields)  # type: ignore[arg-type]  # the literals of the tables


SLOW = Behaviour(delay_ms=700)
HANG, STALL = do("hang"), do("stall")

# route, behaviours, h2 upstream -> status, flags, details, duration
ENDS = [
    ({}, [], False, (200, "", "via_upstream"), 0),
    ({}, [Behaviour(status=418)], False, (418, "", "via_upstream"), 0),
    ({"timeout": "0.3s"}, [SLOW], False, (504, "UT", "response_timeout"), 300),
    ({"timeout": "0.3s"}, [STALL], False, (200, "UT", "response_timeout"), 300),
    ({}, [HANG], False, (504, "UT", "response_timeout"), 15000),
    ({"timeout": "0s", "idle_timeout": "0.2s"}, [HANG], False, (504, "SI", "stream_idle_timeout"), 200),
    ({"timeout": "0.3s", "max_stream_duration": {}}, [SLOW], False, (200, "", "via_upstream"), 700),
    (
        {"max_stream_duration": {"max_stream_duration": "0.2s"}},
        [SLOW],
        False,
        (504, "", "max_duration_timeout"),
        200,
    ),
    (
        {},
        [do("refuse")],
        False,
        (503, "UF", f"{EARLY}{{remote_connection_failure|delayed_connect_error:_Connection_refused}}"),
        0,
    ),
    ({}, [do("connect_timeout")], False, (503, "UF", f"{EARLY}{{connection_timeout}}"), 5000),
    ({}, [do("reset")], False, (503, "UC", f"{EARLY}{{connection_termination}}"), 0),
    ({}, [do("close")], True, (503, "UC", f"{EARLY}{{connection_termination}}"), 0),
    ({}, [do("garbage")], False, (502, "UPE", f"{EARLY}{{protocol_error}}"), 0),
    ({}, [do("garbage")], True, (503, "UC", f"{EARLY}{{connection_termination}}"), 0),
    ({}, [do("partial")], False, (200, "UPE", f"{LATE}{{protocol_error}}"), 0),
    ({}, [do("partial")], True, (200, "UR", f"{LATE}{{remote_reset}}"), 0),
    ({}, [do("h2_reset", reset_code=7)], True, (503, "UR", f"{EARLY}{{remote_refused_stream_reset}}"), 0),
    ({}, [do("h2_reset", reset_code=11)], True, (503, "UR", f"{EARLY}{{remote_reset}}"), 0),
    ({}, [do("h2_reset", reset_code=11)], False, (200, "", "via_upstream"), 0),
    ({"cluster": "no"}, [], False, (503, "NC", "cluster_not_found"), 0),
    ({"cluster": "no", "cluster_not_found_response_code": "NOT_FOUND"}, [], False, (404, "NC", "cluster_not_found"), 0),
]


@pytest.mark.parametrize(("route", "upstream", "h2", "end", "ms"), ENDS)
def test_ends(route: Json, upstream: list[Behaviour], h2: bool, end: tuple[int, str, str], ms: float) -> None:
    outcome = ask(proxy(route, cluster(h2=h2)), *upstream)
    assert ended(outcome) == end
    assert outcome.duration_ms == ms


FAST = {"retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"}}

# retry policy, behaviours -> status, flags, results of the attempts
RETRIES = [
    ({"retry_on": "5xx"}, [Behaviour(status=503)], (503, "URX"), ["503", "503"]),
    ({"retry_on": "5xx", "num_retries": 0}, [Behaviour(status=503)], (503, "URX"), ["503"]),
    ({"num_retries": 3}, [Behaviour(status=503)], (503, ""), ["503"]),
    (
        {"retry_on": "5xx", "num_retries": 2},
        [do("reset"), do("refuse"), Behaviour()],
        (200, ""),
        ["reset", "refused", "200"],
    ),
    ({"retry_on": "connect-failure"}, [do("reset"), Behaviour()], (503, "UC"), ["reset"]),
    ({"retry_on": "5xx", "per_try_timeout": "0.1s"}, [HANG, Behaviour()], (200, ""), ["per_try_timeout", "200"]),
    ({"retry_on": "connect-failure", "per_try_timeout": "0.1s"}, [HANG], (504, "UT"), ["per_try_timeout"]),
    ({"retry_on": "5xx", "per_try_timeout": "0.1s"}, [HANG], (504, "URX,UT"), ["per_try_timeout"] * 2),
    ({"retry_on": "5xx", "per_try_timeout": "0.3s"}, [HANG], (504, "UT"), ["timeout"]),
    ({"retry_on": "5xx", "per_try_idle_timeout": "0.1s"}, [HANG, Behaviour()], (200, ""), ["per_try_timeout", "200"]),
    ({"retry_on": "5xx"}, [Behaviour(status=503, headers=(("x-envoy-ratelimited", ""),))], (503, ""), ["503"]),
    ({"retry_on": "unavailable"}, [Behaviour(grpc_status=14), Behaviour()], (200, ""), ["200", "200"]),
]


@pytest.mark.parametrize(("policy", "upstream", "end", "results"), RETRIES)
def test_retries(policy: Json, upstream: list[Behaviour], end: tuple[int, str], results: list[str]) -> None:
    outcome = ask(proxy({"timeout": "0.3s", "retry_policy": {**policy, **FAST}}), *upstream)
    assert ended(outcome)[:2] == end
    assert [a.result for a in outcome.attempts] == results


def test_the_body_says_that_it_was_retried() -> None:
    policy = {"retry_policy": {"retry_on": "5xx", **FAST}}
    assert ask(proxy(), do("reset")).body == NO_ANSWER + "reset reason: connection termination"
    assert ask(proxy(policy), do("reset")).body == (
        NO_ANSWER + "retried and the latest reset reason: connection termination"
    )


def test_hedging_keeps_the_slow_attempt() -> None:
    policy = {"retry_on": "5xx", "num_retries": 2, "per_try_timeout": "0.1s", **FAST}
    hedged = proxy({"retry_policy": policy, "hedge_policy": {"hedge_on_per_try_timeout": True}})
    late = ask(hedged, Behaviour(status=418, delay_ms=150), Behaviour(delay_ms=700))
    assert (ended(late), late.duration_ms) == ((418, "", "via_upstream"), 150)
    assert [a.result for a in late.attempts] == ["418", "reset"]
    bad = ask(hedged, Behaviour(status=503, delay_ms=150), Behaviour(delay_ms=90))
    assert (bad.status, bad.duration_ms) == (200, 190)


def test_what_the_upstream_is_told() -> None:
    policy = {"retry_on": "5xx", "per_try_timeout": "0.1s", **FAST}
    under = proxy({"timeout": "0.3s", "retry_policy": policy}, vhost={"include_request_attempt_count": True})
    outcome = ask(under, Behaviour(status=503), Behaviour())
    told = [dict(a.headers) for a in outcome.attempts]
    assert [h["x-envoy-expected-rq-timeout-ms"] for h in told] == ["100", "*"]
    assert [h["x-envoy-attempt-count"] for h in told] == ["1", "2"]


def test_internal_requests_choose_their_timeouts_and_retries() -> None:
    headers = (
        ("x-envoy-upstream-rq-timeout-ms", "50"),
        ("x-envoy-upstream-rq-timeout-alt-response", "1"),
    )
    outcome = ask(proxy(), HANG, headers=headers)
    assert ended(outcome) == (204, "UT", "response_timeout")
    assert (outcome.body, outcome.duration_ms) == ("", 50)
    retried = ask(proxy(), Behaviour(status=503), Behaviour(), headers=(("x-envoy-retry-on", "5xx"),))
    assert retried.status == 200
    assert all(not n.startswith("x-envoy-retry") for a in retried.attempts for n, _ in a.headers)


def test_strict_headers() -> None:
    strict = proxy(router={"strict_check_headers": ["x-envoy-max-retries"]})
    outcome = ask(strict, headers=(("x-envoy-max-retries", "many"),))
    assert ended(outcome) == (400, "IH", "request_headers_failed_strict_check{x-envoy-max-retries}")
    assert outcome.body == "invalid header 'x-envoy-max-retries' with value 'many'"


@pytest.mark.parametrize(
    ("limits", "end"),
    [
        ({"max_requests": 0}, (503, "UO", f"{EARLY}{{overflow}}")),
        ({"max_pending_requests": 0}, (503, "UO", f"{EARLY}{{overflow}}")),
        ({"max_connections": 0}, (200, "", "via_upstream")),
        ({"priority": "HIGH", "max_requests": 0}, (200, "", "via_upstream")),
    ],
)
def test_breakers(limits: Json, end: tuple[int, str, str]) -> None:
    outcome = ask(proxy(None, cluster(circuit_breakers={"thresholds": [limits]})))
    assert ended(outcome) == end
    assert ("x-envoy-overloaded", "true") in outcome.headers or end[0] == 200


def test_the_retry_breaker_lets_the_answer_pass() -> None:
    under = proxy({"retry_policy": {"retry_on": "5xx"}}, cluster(circuit_breakers={"thresholds": [{"max_retries": 0}]}))
    assert ended(ask(under, Behaviour(status=503))) == (503, "UO", "via_upstream")


def test_overlapping_requests_overflow() -> None:
    under = proxy(None, cluster(circuit_breakers={"thresholds": [{"max_requests": 1}]}))
    here = Connection(destination="127.0.0.1:80")
    requests = [
        Request(id=str(i), connection=here, authority="a.com", at_ms=at, upstream=(Behaviour(delay_ms=100),))
        for i, at in enumerate((0.0, 50.0, 150.0))
    ]
    assert [t.outcome.status for t in run(under, requests, World())] == [200, 503, 200]


def test_overlapping_requests_wait_for_a_connection() -> None:
    under = proxy(None, cluster(circuit_breakers={"thresholds": [{"max_connections": 1}]}))
    here = Connection(destination="127.0.0.1:80")
    requests = [
        Request(id=str(i), connection=here, authority="a.com", at_ms=10.0 * i, upstream=(Behaviour(delay_ms=100),))
        for i in range(3)
    ]
    assert [t.outcome.duration_ms for t in run(under, requests, World())] == [100, 190, 280]


def test_a_dead_endpoint_stays_dead_whatever_the_request_says() -> None:
    under = proxy({"retry_policy": {"retry_on": "connect-failure", **FAST}})
    world = World(upstreams={A: Upstream(behaviours=(Behaviour("refuse"),))})
    request = Request(connection=Connection(destination="127.0.0.1:80"), authority="a.com", upstream=(Behaviour(),))
    outcome = simulate(under, request, world).outcome
    assert (outcome.status, [a.result for a in outcome.attempts]) == (503, ["refused", "refused"])


def test_no_host() -> None:
    empty = cluster()
    empty["load_assignment"]["endpoints"] = []
    outcome = ask(proxy(None, empty))
    assert ended(outcome) == (503, "UH", "no_healthy_upstream")
    assert outcome.body == "no healthy upstream"


def test_internal_redirects() -> None:
    under = proxy(
        {"internal_redirect_policy": {"max_internal_redirects": 1}},
        cluster(),
        cluster(B, name="d"),
        routes=[{"match": {"prefix": "/new"}, "route": {"cluster": "d"}, "name": "new"}],
    )
    moved = Behaviour(status=302, headers=(("location", "http://b.com/new?x=1#part"),))
    outcome = ask(under, moved, Behaviour())
    assert (outcome.status, outcome.route, [a.cluster for a in outcome.attempts]) == (200, "new", ["c", "d"])
    assert (outcome.attempts[1].authority, outcome.attempts[1].path) == ("b.com", "/new?x=1")
    assert dict(outcome.attempts[1].headers)["x-envoy-original-url"] == "http://a.com/"
    for location in ("/new", "https://b.com/new"):
        passed = ask(under, Behaviour(status=302, headers=(("location", location),)))
        assert (passed.status, len(passed.attempts)) == (302, 1)


def test_mirrors_are_sent_and_forgotten() -> None:
    under = proxy({"request_mirror_policies": [{"cluster": "d"}]}, cluster(), cluster(B, name="d"))
    outcome = ask(under)
    assert [(m.cluster, m.endpoint, m.authority) for m in outcome.mirrors] == [("d", B, "a.com-shadow")]
    assert len(outcome.attempts) == 1


@pytest.mark.parametrize(
    ("behaviour", "status", "closed"), [(HANG, None, "eof"), (STALL, 200, None), (SLOW, None, "eof")]
)
def test_a_client_without_patience_leaves(behaviour: Behaviour, status: int | None, closed: str | None) -> None:
    request = Request(connection=Connection(destination="127.0.0.1:80"), authority="a.com", upstream=(behaviour,))
    outcome = simulate(proxy(), request, World(patience_ms=200)).outcome
    assert ended(outcome) == (status, "DC", "downstream_remote_disconnect")
    assert (outcome.duration_ms, outcome.closed) == (200, closed)


def test_a_silent_upstream_without_any_timer_ends_with_the_client() -> None:
    endless = proxy({"timeout": "0s", "idle_timeout": "0s"})
    assert ended(ask(endless, HANG)) == (None, "DC", "downstream_remote_disconnect")


def test_connect_udp_that_ends_here_is_unknown() -> None:
    under = proxy({"upgrade_configs": [{"upgrade_type": "connect-udp", "connect_config": {}}]})
    headers = (("connection", "upgrade"), ("upgrade", "connect-udp"))
    connection = Connection(destination="127.0.0.1:80")
    path = "/.well-known/masque/udp/b.com/443/"
    request = Request(connection=connection, authority="a.com", path=path, headers=headers)
    outcome = simulate(under, request, World()).outcome
    assert (outcome.status, outcome.attempts) == (None, ())
    assert outcome.unknown == "what CONNECT-UDP gets where `connect_config` ends it"
