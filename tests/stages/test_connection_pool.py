"""Pools and breakers: who gets a connection, who waits, who is refused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from envoysim.load.decode import decode_message
from envoysim.model.ref import NOWHERE
from envoysim.stages.circuit_breakers import UNLIMITED, ResourceManager, Thresholds, compile_circuit_breakers
from envoysim.stages.connection_pool import Connecting, ConnectionPool, Ticket
from envoysim.stages.runtime import Entry, Runtime

PLAIN = Connecting()
H2 = Connecting(protocol="HTTP/2")


def pool(limit: int = 1, **limits: int) -> ConnectionPool:
    return ConnectionPool(ResourceManager(Thresholds(**limits)), limit)


def test_a_connection_is_used_again() -> None:
    p = pool()
    first = p.new_stream(PLAIN, 0.0)
    assert first.connection is not None
    p.release(first.connection, 1.0, close=False)
    assert p.new_stream(PLAIN, 2.0).connection is first.connection
    assert p.resources.connections == 1


def test_http1_needs_a_connection_per_request_and_http2_does_not() -> None:
    h1, h2 = pool(), pool(100)
    assert h1.new_stream(PLAIN, 0.0).connection is not h1.new_stream(PLAIN, 0.0).connection
    assert h2.new_stream(H2, 0.0).connection is h2.new_stream(H2, 0.0).connection


def test_max_connections_queues_but_always_allows_the_first() -> None:
    p = pool(max_connections=0)
    first, second = p.new_stream(PLAIN, 0.0), p.new_stream(PLAIN, 0.0)
    assert first.connection is not None
    assert second.waiting
    first.connection.free_at_ms = 50.0
    assert p.next_ms(0.0) == 50.0
    p.release(first.connection, 50.0, close=False)
    assert not second.waiting
    assert second.connection is first.connection


def test_no_pending_requests_refuses_a_cold_pool_only() -> None:
    cold = pool(max_pending_requests=0)
    refused = cold.new_stream(PLAIN, 0.0)
    assert (refused.failure, refused.queue_full) == ("overflow", True)


def test_max_requests_refuses_on_the_connection() -> None:
    p = pool(max_requests=1)
    p.new_stream(PLAIN, 0.0)
    refused = p.new_stream(PLAIN, 0.0)
    assert (refused.failure, refused.queue_full) == ("overflow", False)


def test_a_connect_timeout_fails_everyone_who_waits() -> None:
    p = pool(100)
    slow = Connecting(5000.0, "connection timeout", protocol="HTTP/2")
    first, second = p.new_stream(slow, 0.0), p.new_stream(slow, 1000.0)
    assert (p.next_ms(1000.0), len(p.connecting)) == (5000.0, 1)
    p.advance(5000.0)
    assert [first.failure, second.failure] == ["connection timeout"] * 2
    assert (p.resources.pending, p.resources.connections) == (0, 0)


def test_a_stream_that_gives_up_leaves_the_queue() -> None:
    p = pool(max_connections=1)
    p.new_stream(PLAIN, 0.0)
    waiting = p.new_stream(PLAIN, 0.0)
    p.cancel(waiting)
    assert (p.resources.pending, waiting.waiting) == (0, False)


def test_requests_per_connection_are_counted() -> None:
    p = ConnectionPool(ResourceManager(Thresholds()), 1, 1)
    first = p.new_stream(PLAIN, 0.0)
    assert first.connection is not None
    p.release(first.connection, 0.0, close=False)
    assert p.ready == []
    assert p.resources.connections == 0


@given(st.lists(st.sampled_from(["new", "end", "break", "cancel"]), max_size=60), st.integers(0, 4), st.integers(0, 4))
def test_counters_return_to_zero(actions: list[str], connections: int, pending: int) -> None:
    p = pool(max_connections=connections, max_pending_requests=pending)
    open_: list[Ticket] = []
    for action in actions:
        if action == "new":
            ticket = p.new_stream(PLAIN, 0.0)
            if not ticket.failure:
                open_.append(ticket)
        elif open_:
            ticket = open_.pop(0)
            if ticket.connection is not None:
                p.release(ticket.connection, 0.0, close=action == "break")
            else:
                p.cancel(ticket)
        p.advance(0.0)
    for ticket in open_:
        if ticket.connection is not None:
            p.release(ticket.connection, 0.0, close=True)
        else:
            p.cancel(ticket)
    assert (p.resources.requests, p.resources.pending) == (0, 0)


def test_thresholds_by_priority() -> None:
    msg = decode_message(
        "envoy.config.cluster.v3.CircuitBreakers",
        {
            "thresholds": [
                {"max_requests": 5, "retry_budget": {"budget_percent": {"value": 30}}},
                {"max_requests": 6},
                {"priority": "HIGH", "max_pending_requests": 0},
            ],
            "per_host_thresholds": [{"max_connections": 2}],
        },
        NOWHERE,
        [],
    )
    runtime = Runtime({"circuit_breakers.c.high.max_retries": Entry("7", 7)})
    breakers = compile_circuit_breakers(msg, NOWHERE, "c", runtime)
    assert breakers.default.max_requests == 5
    assert breakers.default.max_connections_per_host == 2
    assert breakers.default.retry_budget is not None
    assert (breakers.default.retry_budget.percent, breakers.default.retry_budget.min_concurrency) == (30, 3)
    assert (breakers.high.max_pending_requests, breakers.high.max_requests) == (0, 1024)
    assert breakers.high.max_connection_pools == UNLIMITED
    assert (breakers.default.max_retries, breakers.high.max_retries) == (3, 7)
