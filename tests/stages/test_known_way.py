"""Equal connections: the second one's story is the first one's, unless something on the way remembers."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from typing import Any

import pytest

from envoysim.load import load
from envoysim.model.request import Connection, Request, Tls
from envoysim.model.trace import Trace
from envoysim.model.world import State, World
from envoysim.simulate import simulate
from envoysim.stages.proxy import Proxy

TYPE = "type.googleapis.com/envoy.extensions.filters."
LOG = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
REQUEST = Request(authority="a", connection=Connection(listener="l", original_destination="10.0.0.1:80"))
INSPECTORS = ("original_dst.v3.OriginalDst", "tls_inspector.v3.TlsInspector", "http_inspector.v3.HttpInspector")


def listener_filter(kind: str, **fields: Any) -> dict[str, Any]:
    """One listener filter."""
    return {"name": kind, "typed_config": {"@type": f"{TYPE}listener.{kind}", **fields}}


def proxy_with(listener_filters: list[dict[str, Any]], network_filters: list[dict[str, Any]]) -> Proxy:
    """A proxy whose listener answers by itself, and the owner of 10.0.0.1:80 that it hands connections on to."""
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]
    manager = {
        "@type": TYPE + "network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "access_log": [{"name": "log", "typed_config": {"@type": LOG}}],
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": TYPE + "http.router.v3.Router"}}],
    }
    chain = {"filters": [*network_filters, {"name": "hcm", "typed_config": manager}]}

    def listener(name: str, ip: str, port: int, **fields: Any) -> dict[str, Any]:
        address = {"socket_address": {"address": ip, "port_value": port}}
        return {"name": name, "address": address, "filter_chains": [chain], **fields}

    first = listener("l", "0.0.0.0", 15001, use_original_dst=True, listener_filters=listener_filters)
    owner = listener("owner", "10.0.0.1", 80, bind_to_port=False)
    return Proxy(load([json.dumps({"static_resources": {"listeners": [first, owner]}}).encode()]))


def inspected() -> Proxy:
    """A proxy whose filters remember nothing."""
    return proxy_with([listener_filter(kind) for kind in INSPECTORS], [])


def told(trace: Trace) -> list[tuple[object, ...]]:
    """What a trace says, less when."""
    outcome = replace(trace.outcome, access_log=())  # a line begins with the time
    return [(s.stage, s.ref, s.reason) for s in trace.steps] + [(outcome, trace.notes, trace.assumed)]


@pytest.mark.parametrize(
    "connection",
    [
        REQUEST.connection,
        Connection(listener="l"),
        Connection(destination="10.0.0.9:15001", source="10.2.3.4:5"),
        Connection(listener="owner"),
        Connection(listener="l", protocol="HTTP/2"),
        Connection(listener="l", tls=Tls("a.com", ("h2",))),
        Connection(listener="none"),
    ],
)
def test_an_equal_connection_tells_the_same(connection: Connection) -> None:
    """Steps, outcome and what was assumed are those of a proxy that has seen nobody yet, in the present's time."""
    proxy, asked = inspected(), replace(REQUEST, connection=connection)
    first = simulate(proxy, asked)
    again = simulate(proxy, replace(asked, connection=replace(connection)), World(), State(now_ms=70.0))
    assert told(again) == told(first) == told(simulate(inspected(), asked))
    assert {step.at_ms for step in again.steps} == {70.0}


def test_other_connections_go_their_own_way() -> None:
    """What tells connections apart decides anew."""
    proxy = inspected()
    owners = [
        simulate(proxy, replace(REQUEST, connection=c)).outcome.listener
        for c in (REQUEST.connection, Connection(listener="l"), REQUEST.connection, Connection(listener="owner"))
    ]
    assert owners == ["owner", "l", "owner", "owner"]


def test_connections_share_nothing() -> None:
    """What a request leaves on its connection is not there for the next one."""
    proxy, telling = inspected(), simulate(inspected(), REQUEST)
    simulate(proxy, REQUEST)
    for _ in range(2):
        simulate(proxy, replace(REQUEST, headers=(("connection", "close"),)))
    assert told(simulate(proxy, REQUEST)) == told(telling)


def test_nothing_is_left_for_the_garbage_collector() -> None:
    """A story's objects go when its trace does, with the connection's way known and unknown."""
    proxy = inspected()
    for asked in (REQUEST, REQUEST, replace(REQUEST, connection=Connection(listener="owner"))):
        simulate(proxy, asked)
        gc.collect()
        simulate(proxy, asked)
        assert gc.collect() == 0


def test_an_explained_story_has_its_losers() -> None:
    """A way that was kept without losers is not told to who asks for them."""
    proxy = inspected()
    simulate(proxy, REQUEST)
    chain = next(s for s in simulate(proxy, REQUEST, World(explain=True)).steps if s.stage == "filter chain")
    assert chain.losers is not None


BUCKET = {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "3600s"}
NETWORK_LIMIT = {
    "name": "limit",
    "typed_config": {
        "@type": TYPE + "network.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "x",
        "token_bucket": BUCKET,
    },
}


@pytest.mark.parametrize(
    ("listener_filters", "network_filters"),
    [
        ([listener_filter("local_ratelimit.v3.LocalRateLimit", stat_prefix="x", token_bucket=BUCKET)], []),
        ([], [NETWORK_LIMIT]),
    ],
)
def test_what_remembers_is_asked_again(listener_filters: list[Any], network_filters: list[Any]) -> None:
    """The second connection meets an empty bucket, on the listener that handed it on too."""
    proxy, state = proxy_with(listener_filters, network_filters), State()
    statuses = [simulate(proxy, REQUEST, World(), state).outcome.status for _ in range(2)]
    assert statuses == [200, None]
