"""Many requests on one virtual clock: order, overlap, memory of the worker."""

from __future__ import annotations

from pathlib import Path

from envoysim.explore import explore
from envoysim.load import load
from envoysim.model.behaviour import Behaviour, Upstream
from envoysim.model.chance import Sampled
from envoysim.model.request import Connection, Request
from envoysim.model.world import World
from envoysim.run import run
from envoysim.stages.proxy import Proxy

ROOT = Path(__file__).parents[1]
EDGE = Proxy(load(str(ROOT / "fixtures/edge/config_dump.json")))
SIDECAR = Proxy(load(str(ROOT / "fixtures/sidecar/config_dump.json")))


def _edge(path: str, **more: object) -> Request:
    connection = Connection(listener="http", destination="127.0.0.1:10080")
    return Request(connection=connection, authority="shop.example.com", path=path, **more)  # type: ignore[arg-type]


def test_outcomes_come_in_the_order_of_the_requests() -> None:
    slow = (Behaviour(delay_ms=900),)
    requests = [_edge("/pay", id="slow", at_ms=0, upstream=slow), _edge("/old", id="fast", at_ms=10)]

    traces = list(run(EDGE, requests, World()))

    assert [t.request.id for t in traces] == ["slow", "fast"]
    assert [t.outcome.duration_ms for t in traces] == [900, 0]


def test_requests_that_overlap_meet_in_the_circuit_breaker() -> None:
    """ratings allows 1 pending and 10 requests; 12 at the same moment do not fit."""
    request = Request(
        connection=Connection(listener="virtualOutbound", original_destination="10.96.20.5:9080"),
        authority="ratings:9080",
        path="/",
        at_ms=0,
        upstream=(Behaviour(delay_ms=600),),
    )

    traces = list(run(SIDECAR, [request] * 14, World()))

    statuses = [t.outcome.status for t in traces]
    assert statuses.count(503) >= 4
    assert {t.outcome.response_flags for t in traces if t.outcome.status == 503} == {("UO",)}


def test_the_worker_remembers_and_independent_ones_do_not() -> None:
    limited = [_edge("/limited") for _ in range(4)]

    kept = [t.outcome.status for t in run(EDGE, limited, World())]
    fresh = [t.outcome.status for t in run(EDGE, limited, World(), independent=True)]

    assert kept == [200, 200, 429, 429]
    assert fresh == [200, 200, 200, 200]


def test_the_token_bucket_refills_in_virtual_time() -> None:
    requests = [_edge("/limited"), _edge("/limited", pause_ms=120_000), _edge("/limited")]

    assert [t.outcome.status for t in run(EDGE, requests, World())] == [200, 200, 200]


def test_a_bad_host_is_ejected_from_request_to_request() -> None:
    world = World(upstreams={"10.0.1.2:8080": Upstream(behaviours=(Behaviour(status=500),))})
    requests = [_edge("/pay", id=str(i)) for i in range(30)]

    traces = list(run(EDGE, requests, world))

    assert all(t.outcome.status == 200 for t in traces)
    late = [a.endpoint for t in traces[15:] for a in t.outcome.attempts]
    assert "10.0.1.2:8080" not in late


def test_explored_shares_are_exact_and_add_up() -> None:
    explored = explore(EDGE, _edge("/catalog/1"), World())

    assert [(round(share, 6), t.outcome.cluster) for share, t in explored.shares] == [
        (0.9, "catalog-v1"),
        (0.1, "catalog-v2"),
    ]
    assert explored.unexplored == 0


def test_a_seed_draws_the_same_every_time() -> None:
    def clusters(seed: int) -> list[str | None]:
        requests = [_edge("/catalog/1") for _ in range(200)]
        return [t.outcome.cluster for t in run(EDGE, requests, World(chance=Sampled(seed)))]

    first = clusters(3)
    assert first == clusters(3)
    assert first != clusters(4)
    assert 2 <= first.count("catalog-v2") <= 45
