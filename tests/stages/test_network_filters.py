"""From the filter chain to the end of a connection: TLS, network filters, TCP proxying."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from envoysim.load import load
from envoysim.model.behaviour import Behaviour, Upstream
from envoysim.model.outcome import Outcome
from envoysim.model.request import Certificate, Connection, Request, Tls
from envoysim.model.trace import Trace
from envoysim.model.world import State, World
from envoysim.simulate import simulate
from envoysim.stages.proxy import Proxy

from .listening import listener, listener_filter

NETWORK = "type.googleapis.com/envoy.extensions.filters.network."
CONTEXT = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
E1, E2 = "127.0.0.1:9001", "127.0.0.1:9002"


def network(kind: str, message: str, **config: Any) -> dict[str, Any]:
    return {"name": kind, "typed_config": {"@type": f"{NETWORK}{kind}.v3.{message}", **config}}


def tcp(**config: Any) -> dict[str, Any]:
    return network("tcp_proxy", "TcpProxy", stat_prefix="t", **({"cluster": "c"} | config))


def hcm(**config: Any) -> dict[str, Any]:
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}]
    hosts = [{"name": "v", "domains": ["*"], "routes": routes}]
    router = {"name": "router", "typed_config": {"@type": ROUTER}}
    return network(
        "http_connection_manager",
        "HttpConnectionManager",
        route_config={"virtual_hosts": hosts},
        http_filters=[router],
        **config,
    )


def tls_socket(**common: Any) -> dict[str, Any]:
    require = common.pop("require_client_certificate", False)
    config = {"@type": CONTEXT, "common_tls_context": common, "require_client_certificate": require}
    return {"transport_socket": {"name": "tls", "typed_config": config}}


def cluster(name: str = "c", *endpoints: str, **more: Any) -> dict[str, Any]:
    found = []
    for endpoint in endpoints:
        ip, _, port = endpoint.rpartition(":")
        found.append({"endpoint": {"address": {"socket_address": {"address": ip, "port_value": int(port)}}}})
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": found}]}
    return {"name": name, "connect_timeout": "1s", "load_assignment": assignment, **more}


def chain(*filters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "chain", "filters": list(filters), **more}


def play(
    filters: dict[str, Any],
    *clusters: dict[str, Any],
    world: World | None = None,
    state: State | None = None,
    inspect: bool = False,
    request: Request | None = None,
    **connection: Any,
) -> Trace:
    """Send ``GET /`` to a listener with one chain."""
    entries = [listener_filter("tls_inspector")] if inspect else []
    raw = listener(filter_chains=[filters], listener_filters=entries)
    source = {"static_resources": {"listeners": [raw], "clusters": list(clusters or [cluster("c", E1)])}}
    proxy = Proxy(load([json.dumps(source).encode()]))
    asked = replace(request or Request(authority="foo.com"), connection=Connection(listener="l", **connection))
    return simulate(proxy, asked, world, state)


def ends(outcome: Outcome) -> tuple[Any, ...]:
    return outcome.status, outcome.closed, outcome.response_flags


def acting(action: str, **more: Any) -> World:
    return World(upstreams={"*": Upstream(behaviours=(Behaviour(action, **more),))})  # type: ignore[arg-type]


def limited(**thresholds: Any) -> dict[str, Any]:
    return cluster("c", E1, circuit_breakers={"thresholds": [thresholds]})


TCP_CASES: list[tuple[str, dict[str, Any], dict[str, Any], World | None, tuple[Any, ...], list[str]]] = [
    ("answered", tcp(), cluster("c", E1), None, (200, None, ()), ["200"]),
    ("no such cluster", tcp(cluster="no"), cluster("c", E1), None, (None, "eof", ("NC",)), []),
    ("no host", tcp(), cluster("c"), None, (None, "eof", ("UH",)), []),
    ("refused", tcp(), cluster("c", E1), acting("refuse"), (None, "eof", ("UF", "URX")), ["refused"]),
    (
        "refused thrice",
        tcp(max_connect_attempts=3),
        cluster("c", E1),
        acting("refuse"),
        (None, "eof", ("UF", "URX")),
        ["refused"] * 3,
    ),
    (
        "never accepted",
        tcp(),
        cluster("c", E1),
        acting("connect_timeout"),
        (None, "eof", ("UF", "URX")),
        ["connect_timeout"],
    ),
    ("connections spent", tcp(), limited(max_connections=0), None, (None, "eof", ("UO",)), []),
    ("queue spent", tcp(max_connect_attempts=2), limited(max_pending_requests=0), None, (None, "eof", ("URX",)), []),
    ("upstream resets", tcp(), cluster("c", E1), acting("reset"), (None, "reset", ("UR",)), ["reset"]),
    ("upstream closes", tcp(), cluster("c", E1), acting("close"), (None, "eof", ()), ["close"]),
    ("idle", tcp(idle_timeout="0.2s"), cluster("c", E1), acting("hang"), (None, "eof", ()), ["hang"]),
    (
        "too slow for idle",
        tcp(idle_timeout="0.2s"),
        cluster("c", E1),
        acting("reply", delay_ms=300),
        (None, "eof", ()),
        [""],
    ),
    (
        "open too long",
        tcp(max_downstream_connection_duration="0.1s"),
        cluster("c", E1),
        acting("hang"),
        (None, "eof", ("DT",)),
        ["hang"],
    ),
    ("503 is an answer", tcp(), cluster("c", E1), acting("reply", status=503), (503, None, ()), ["503"]),
    ("cut", tcp(), cluster("c", E1), acting("partial"), (200, "eof", ()), ["200"]),
]


@pytest.mark.parametrize(
    ("proxy", "upstream", "world", "end", "results"), [c[1:] for c in TCP_CASES], ids=[c[0] for c in TCP_CASES]
)
def test_tcp_proxy(
    proxy: dict[str, Any], upstream: dict[str, Any], world: World | None, end: tuple[Any, ...], results: list[str]
) -> None:
    outcome = play(chain(proxy), upstream, world=world).outcome
    assert ends(outcome) == end
    assert [a.result for a in outcome.attempts] == results
    assert outcome.filter_chain == "chain"


def test_connection_timers_take_virtual_time() -> None:
    assert play(chain(tcp(idle_timeout="0.2s")), world=acting("hang")).outcome.duration_ms == 200
    assert play(chain(tcp(max_connect_attempts=2)), world=acting("connect_timeout")).outcome.duration_ms == 2000


def test_breakers_get_their_connections_back() -> None:
    state = State()
    for _ in range(3):
        assert play(chain(tcp()), limited(max_connections=1), state=state).outcome.status == 200


def test_upstream_reads_the_request_as_sent() -> None:
    request = Request(
        method="POST", authority="foo.com", path="/x?y", headers=(("X-A", "1"), ("Host", "foo.com")), body="b"
    )
    (attempt,) = play(chain(tcp()), request=request).outcome.attempts
    assert (attempt.method, attempt.path, attempt.authority) == ("POST", "/x?y", "foo.com")
    assert attempt.headers == (("x-a", "1"),)


def test_weights_go_before_the_cluster_that_filter_state_names() -> None:
    weighted = tcp(cluster="", weighted_clusters={"clusters": [{"name": "c", "weight": 1}]})
    filters = chain(network("sni_cluster", "SniCluster"), weighted)
    hello = Tls("foo.com")
    outcome = play(filters, cluster("c", E1), cluster("foo.com", E2), inspect=True, tls=hello).outcome
    assert outcome.cluster == "c"


@pytest.mark.parametrize(("sni", "named"), [("foo.com", "foo.com"), (None, "c"), ("bar.com", None)])
def test_sni_cluster(sni: str | None, named: str | None) -> None:
    filters = chain(network("sni_cluster", "SniCluster"), tcp())
    outcome = play(filters, cluster("c", E1), cluster("foo.com", E2), inspect=True, tls=Tls(sni)).outcome
    assert outcome.cluster == named
    assert outcome.response_flags == (() if named else ("NC",))


@pytest.mark.parametrize(
    ("nature", "status", "protocol"),
    [
        (Upstream(tls=True), 200, "HTTP/2"),
        (Upstream(tls=True, protocol="HTTP/1.1"), 200, "HTTP/1.1"),
        (Upstream(), None, None),
    ],
)
def test_tls_passes_through(nature: Upstream, status: int | None, protocol: str | None) -> None:
    hello = Tls("foo.com", ("h2", "http/1.1"))
    outcome = play(chain(tcp()), world=World(upstreams={E1: nature}), tls=hello, protocol="HTTP/2").outcome
    assert outcome.status == status
    assert [a.protocol for a in outcome.attempts] == ([protocol] if protocol else [])
    assert outcome.endpoint == E1


def test_tcp_proxy_connects_before_the_handshake() -> None:
    outcome = play(chain(tcp(), **tls_socket())).outcome
    assert ends(outcome) == (None, "tls", ())
    assert (outcome.cluster, outcome.endpoint, outcome.attempts) == ("c", E1, ())
    assert play(chain(tcp(cluster="no"), **tls_socket())).outcome.response_flags == ("NC",)


FILE = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"


def test_connections_are_logged() -> None:
    text = "%UPSTREAM_CLUSTER% %RESPONSE_FLAGS% %CONNECTION_TERMINATION_DETAILS%"
    config = {"@type": FILE, "path": "/dev/stdout", "log_format": {"text_format_source": {"inline_string": text}}}
    proxy = tcp(access_log=[{"name": "file", "typed_config": config}])
    assert play(chain(proxy)).outcome.access_log == ("c - -",)
    assert play(chain(DENY_ALL, proxy)).outcome.access_log == ("c - rbac_access_denied_matched_policy[p]",)


def test_plaintext_at_a_tls_endpoint() -> None:
    outcome = play(chain(tcp()), world=World(upstreams={E1: Upstream(tls=True)})).outcome
    assert ends(outcome) == (None, "eof", ())
    assert outcome.attempts == ()


def rbac(**rules: Any) -> dict[str, Any]:
    return network("rbac", "RBAC", stat_prefix="r", **rules)


DENY_ALL = rbac(
    rules={"action": "DENY", "policies": {"p": {"permissions": [{"any": True}], "principals": [{"any": True}]}}}
)


def test_rbac_denies_after_tcp_proxy_has_connected() -> None:
    outcome = play(chain(DENY_ALL, tcp())).outcome
    assert ends(outcome) == (None, "eof", ())
    assert (outcome.cluster, outcome.endpoint, outcome.attempts) == ("c", E1, ())
    missing = play(chain(DENY_ALL, tcp(cluster="no"))).outcome
    assert missing.response_flags == ("NC",)


def test_rbac_denies_before_the_connection_manager() -> None:
    outcome = play(chain(DENY_ALL, hcm())).outcome
    assert ends(outcome) == (None, "eof", ())
    assert outcome.response_code_details is None


def test_rbac_without_data_decides_nothing() -> None:
    outcome = play(chain(DENY_ALL, tcp()), protocol="TCP").outcome
    assert [a.protocol for a in outcome.attempts] == ["TCP"]


@pytest.mark.parametrize(
    ("filters", "end"),
    [
        (chain(hcm()), (200, None, ())),
        (chain(), (None, "eof", ())),
        (chain(network("direct_response", "Config", response={"inline_string": "bye"})), (None, "eof", ())),
        (chain(network("ext_authz", "ExtAuthz", stat_prefix="x"), tcp()), (None, "eof", ("UAEX",))),
        (chain(network("ratelimit", "RateLimit", stat_prefix="x", domain="d"), tcp()), (200, None, ())),
    ],
)
def test_chains(filters: dict[str, Any], end: tuple[Any, ...]) -> None:
    assert ends(play(filters, world=World(verdicts={"ext_authz": "deny"})).outcome) == end


def test_local_rate_limit_counts_connections() -> None:
    bucket = {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "60s"}
    filters = chain(network("local_ratelimit", "LocalRateLimit", stat_prefix="x", token_bucket=bucket), tcp())
    state = State()
    assert ends(play(filters, state=state).outcome) == (200, None, ())
    assert ends(play(filters, state=state).outcome) == (None, "reset", ("URX",))


def test_protocol_that_is_not_modelled_makes_the_outcome_unknown() -> None:
    outcome = play(chain(network("redis_proxy", "RedisProxy", stat_prefix="x"))).outcome
    assert outcome.unknown is not None
    assert outcome.notes


def test_filter_state_names_the_cluster() -> None:
    value = {
        "object_key": "envoy.tcp_proxy.cluster",
        "format_string": {"text_format_source": {"inline_string": "by-%DOWNSTREAM_LOCAL_PORT%"}},
    }
    filters = chain(network("set_filter_state", "Config", on_new_connection=[value]), tcp())
    assert play(filters, cluster("by-80", E2)).outcome.cluster == "by-80"


CERTIFICATE = Certificate(uri_sans=("spiffe://td/ns/a/sa/b",))
SANS = {"match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"prefix": "spiffe://td/"}}]}
TRUSTED = {"trusted_ca": {"inline_string": "ca"}}
OTHER_SANS = {"match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"prefix": "spiffe://other/"}}]}


@pytest.mark.parametrize(
    ("socket", "tls", "end"),
    [
        ({}, None, (200, None, ())),
        ({}, Tls("a"), (None, "tls", ("DPE",))),
        (tls_socket(), None, (None, "tls", ())),
        (tls_socket(), Tls("a"), (200, None, ())),
        (tls_socket(require_client_certificate=True), Tls("a"), (None, "tls", ())),
        (tls_socket(require_client_certificate=True), Tls("a", (), CERTIFICATE), (200, None, ())),
        (tls_socket(validation_context=TRUSTED | SANS), Tls("a", (), CERTIFICATE), (200, None, ())),
        (tls_socket(validation_context=TRUSTED | SANS), Tls("a"), (200, None, ())),
        (tls_socket(validation_context=TRUSTED | OTHER_SANS), Tls("a", (), CERTIFICATE), (None, "tls", ())),
    ],
)
def test_downstream_tls(socket: dict[str, Any], tls: Tls | None, end: tuple[Any, ...]) -> None:
    assert ends(play(chain(hcm(), **socket), tls=tls).outcome) == end


def two_sites() -> Proxy:
    """Two names on one port, each with a chain and a route table of its own."""

    def site(name: str) -> dict[str, Any]:
        manager = hcm()
        manager["typed_config"]["route_config"]["virtual_hosts"][0]["domains"] = [name]
        socket = tls_socket(alpn_protocols=["h2", "http/1.1"])
        return chain(manager, filter_chain_match={"server_names": [name]}, **socket) | {"name": name}

    raw = listener(filter_chains=[site("a.com"), site("b.com")], listener_filters=[listener_filter("tls_inspector")])
    return Proxy(load([json.dumps({"static_resources": {"listeners": [raw]}}).encode()]))


def visit(host: str, alpn: str, **more: Any) -> Request:
    connection = Connection(listener="l", tls=Tls(host, (alpn,)), reuse="browser")
    return Request(authority=host, connection=connection, **more)


def test_reused_connection_keeps_its_chain() -> None:
    proxy, state = two_sites(), State()
    first = simulate(proxy, visit("a.com", "h2"), None, state).outcome
    second = simulate(proxy, visit("b.com", "h2"), None, state).outcome
    assert (first.status, second.status) == (200, 404)
    assert second.filter_chain == "a.com"


def test_closed_connection_is_not_reused() -> None:
    proxy, state = two_sites(), State()
    without_host = replace(visit("a.com", "http/1.1"), authority=None)
    assert simulate(proxy, without_host, None, state).outcome.response_code_details == "missing_host_header"
    assert simulate(proxy, visit("b.com", "http/1.1"), None, state).outcome.filter_chain == "b.com"


@pytest.mark.parametrize(
    ("server", "client", "spoken"),
    [
        (("h2", "http/1.1"), ("http/1.1", "h2"), "HTTP/2"),
        (("http/1.1", "h2"), ("h2", "http/1.1"), "HTTP/1.1"),
        (("istio", "h2"), ("h2",), "HTTP/2"),
        ((), ("h2", "http/1.1"), "HTTP/1.1"),
        (("h2",), ("http/1.1",), "HTTP/1.1"),
    ],
)
def test_server_chooses_the_protocol(server: tuple[str, ...], client: tuple[str, ...], spoken: str) -> None:
    terminated = chain(tcp(), **tls_socket(alpn_protocols=list(server)))
    (attempt,) = play(terminated, tls=Tls("a", client)).outcome.attempts
    assert attempt.protocol == spoken


def test_filters_without_a_type_go_by_name() -> None:
    """Old proxies configured what needs no fields by its name alone."""
    captured = listener(
        filter_chains=[{"filters": [{"name": "envoy.filters.network.echo"}]}],
        listener_filters=[{"name": "envoy.filters.listener.original_dst"}],
    )
    proxy = Proxy(load([{"static_resources": {"listeners": [captured]}}]))

    trace = simulate(proxy, Request(connection=Connection(original_destination="10.9.9.9:80"), body="ping"))

    assert not trace.notes
    assert [str(step.ref).rpartition("/")[2] for step in trace.steps if step.stage == "listener filters"] == ["0"]
    assert "sends back what it gets" in trace.steps[-1].template
