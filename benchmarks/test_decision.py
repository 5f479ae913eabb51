"""The cost of one routing decision, by number and kind of routes: from a known connection to route and cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest

from envoysim.load import load
from envoysim.model.request import Connection, Request
from envoysim.model.world import State, World
from envoysim.stages.codec import decode_request
from envoysim.stages.http_connection_manager import HttpConnectionManager, admit_request
from envoysim.stages.listener import accept
from envoysim.stages.network_filters import run_network_filters
from envoysim.stages.proxy import Proxy
from envoysim.stages.route import Forward
from envoysim.stages.route_action import choose_cluster
from envoysim.stages.route_configuration import resolve_route
from envoysim.stages.stream import DownstreamConnection, Stream, Telling

COUNTS = (10, 100, 1_000, 10_000)
MAX_US = 12.0
MAX_GROWTH = 1.3
TYPE = "type.googleapis.com/"
HTTP = TYPE + "envoy.extensions.filters.http."


def match(kind: str, index: int) -> dict[str, Any]:
    """The condition of one route."""
    if kind == "exact":
        return {"path": f"/exact/{index}/item"}
    if kind == "prefix":
        return {"prefix": f"/prefix/{index}/"}
    if kind == "regex":
        return {"safe_regex": {"regex": f"/regex/{index}/[a-z]+"}}
    if kind == "headers":
        wanted = [{"name": "x-tenant", "string_match": {"exact": f"tenant-{index}"}}]
        return {"prefix": "/headers/", "headers": wanted}
    return match(("exact", "prefix", "regex", "headers")[index % 4], index)


def request(kind: str, index: int) -> Request:
    """A request for that route."""
    if kind == "mixed":
        kind = ("exact", "prefix", "regex", "headers")[index % 4]
    headers = (("x-tenant", f"tenant-{index}"), ("user-agent", "bench"), ("accept", "*/*"))
    path = f"/headers/{index}" if kind == "headers" else f"/{kind}/{index}/item"
    return Request(authority="foo.com", path=path, headers=headers, connection=Connection(listener="l"))


def proxy_with(kind: str, count: int) -> Proxy:
    """A proxy with one virtual host of ``count`` routes."""
    routes = [{"name": f"r{i}", "match": match(kind, i), "route": {"cluster": f"c{i % 7}"}} for i in range(count)]
    manager = {
        "@type": TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": {"name": "rc", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": HTTP + "router.v3.Router"}}],
    }
    listener = {
        "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 8080}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    clusters = [{"name": f"c{i}", "connect_timeout": "1s"} for i in range(7)]
    source = {"static_resources": {"listeners": [listener], "clusters": clusters}}
    return Proxy(load([json.dumps(source).encode()]))


def admitted(proxy: Proxy, asked: Request) -> Stream:
    """Bring a request to where its route is chosen."""
    state, world, telling = State(), World(), Telling(explain=False)
    connection = accept(proxy, asked, state, telling)
    assert isinstance(connection, DownstreamConnection)
    story = run_network_filters(proxy, connection, asked, world, state, telling)
    try:
        while True:
            state.now_ms = next(story)
    except StopIteration as end:
        manager = end.value
    assert isinstance(manager, HttpConnectionManager)
    stream, refused = decode_request(manager, connection, asked, proxy, world, state, telling)
    assert refused is None
    assert admit_request(stream) is None
    return stream


def decide(stream: Stream) -> str:
    """Choose route and cluster, and keep the steps that say why."""
    stream.telling.steps.clear()
    resolve_route(stream)
    route = stream.route
    assert route is not None
    assert isinstance(route.action, Forward)
    return choose_cluster(stream, route.action).name


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", ["prefix", "exact", "regex", "headers", "mixed"])
def test_decision(benchmark: Any, kind: str, count: int) -> None:
    """The route in the middle of the list."""
    index = count // 2 + 1
    stream = admitted(proxy_with(kind, count), request(kind, index))
    assert decide(stream) == f"c{index % 7}"
    benchmark(decide, stream)
    benchmark.extra_info["microseconds"] = round(benchmark.stats.stats.min * 1e6, 2)
    assert benchmark.stats.stats.min * 1e6 <= MAX_US


@pytest.mark.parametrize("kind", ["prefix", "exact", "regex", "headers", "mixed"])
def test_growth(kind: str) -> None:
    """From 10 to 10,000 routes a decision hardly costs more: the fastest of many short runs in turn."""
    from timeit import repeat

    streams = {n: admitted(proxy_with(kind, n), request(kind, n // 2 + 1)) for n in (COUNTS[0], COUNTS[-1])}
    for stream in streams.values():
        decide(stream)
    times = {n: float("inf") for n in streams}
    for _ in range(20):
        for n, stream in streams.items():
            times[n] = min(times[n], min(repeat(lambda s=stream: decide(s), number=200, repeat=3)))  # type: ignore[misc]
    growth = times[COUNTS[-1]] / times[COUNTS[0]]
    print(f"\n{kind}: {growth:.2f} times from {COUNTS[0]} to {COUNTS[-1]} routes")
    assert growth <= MAX_GROWTH
