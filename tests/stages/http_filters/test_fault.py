"""Faults: delays, aborts, whom they concern, how many at once."""

from __future__ import annotations

from typing import Any

import pytest

from envoysim.model.chance import Sampled
from envoysim.model.trace import Trace
from envoysim.model.world import World

from .whole import bootstrap, http_filter, make_proxy, play, routes

KIND = "fault.v3.HTTPFault"
ALWAYS = {"numerator": 100}
ROUTE: dict[str, Any] = {"match": {"prefix": "/"}, "route": {"cluster": "c"}}
ABORT = {"abort": {"http_status": 503, "percentage": ALWAYS}}
BY_HEADER = {"abort": {"header_abort": {}, "percentage": ALWAYS}, "delay": {"header_delay": {}, "percentage": ALWAYS}}


def fault(config: dict[str, Any], headers: dict[str, str] | None = None, **route: Any) -> Trace:
    source = bootstrap([http_filter("envoy.filters.http.fault", KIND, config)], routes({**ROUTE, **route}))
    return play(make_proxy(source), headers=tuple((headers or {}).items()))


ABORTS = [
    (ABORT, {}, 503),
    ({"abort": {"http_status": 503, "percentage": {"numerator": 0}}}, {}, 200),
    ({"abort": {"grpc_status": 5, "percentage": ALWAYS}}, {}, 200),
    ({**ABORT, "upstream_cluster": "c"}, {}, 503),
    ({**ABORT, "upstream_cluster": "other"}, {}, 200),
    ({**ABORT, "headers": [{"name": "x-f", "string_match": {"exact": "y"}}]}, {}, 200),
    ({**ABORT, "headers": [{"name": "x-f", "string_match": {"exact": "y"}}]}, {"x-f": "y"}, 503),
    ({**ABORT, "downstream_nodes": ["n"]}, {"x-envoy-downstream-service-node": "m"}, 200),
    ({**ABORT, "downstream_nodes": ["n"]}, {"x-envoy-downstream-service-node": "n"}, 503),
    ({**ABORT, "max_active_faults": 0}, {}, 200),
    (BY_HEADER, {}, 200),
    (BY_HEADER, {"x-envoy-fault-abort-request": "429"}, 429),
    (BY_HEADER, {"x-envoy-fault-abort-request": "199"}, 200),
    (BY_HEADER, {"x-envoy-fault-abort-request": "600"}, 200),
    (BY_HEADER, {"x-envoy-fault-abort-request": "429", "x-envoy-fault-abort-request-percentage": "0"}, 200),
    (BY_HEADER, {"x-envoy-fault-abort-request": "429", "x-envoy-fault-abort-request-percentage": "x"}, 429),
]


@pytest.mark.parametrize(("config", "headers", "status"), ABORTS, ids=str)
def test_aborts(config: dict[str, Any], headers: dict[str, str], status: int) -> None:
    outcome = fault(config, headers).outcome
    aborted = status != 200 or "grpc_status" in str(config)
    assert outcome.status == status
    assert outcome.response_flags == (("FI",) if aborted else ())
    assert (outcome.body == "fault filter abort") == aborted


def test_a_delay_comes_before_the_abort() -> None:
    config = {**ABORT, "delay": {"fixed_delay": "0.25s", "percentage": ALWAYS}}
    outcome = fault(config).outcome
    assert (outcome.status, outcome.response_flags, outcome.duration_ms) == (503, ("DI", "FI"), 250)
    assert outcome.stats["http.test.fault.delays_injected"] == outcome.stats["http.test.fault.aborts_injected"] == 1


def test_a_delay_by_header_lets_the_request_on() -> None:
    outcome = fault(BY_HEADER, {"x-envoy-fault-delay-request": "70"}).outcome
    assert (outcome.status, outcome.response_flags, outcome.duration_ms) == (200, ("DI",), 70)


def test_a_route_replaces_the_whole_configuration() -> None:
    other = {"@type": f"type.googleapis.com/envoy.extensions.filters.http.{KIND}", "abort": {"header_abort": {}}}
    assert fault(ABORT, typed_per_filter_config={"envoy.filters.http.fault": other}).outcome.status == 200


def test_runtime_keys_count_before_the_configuration() -> None:
    source = bootstrap([http_filter("f", KIND, ABORT)], routes(ROUTE))
    layers = {"layers": [{"name": "l", "static_layer": {"fault.http.abort.http_status": 418}}]}
    assert play(make_proxy({**source, "layered_runtime": layers})).outcome.status == 418
    caller = {"fault.http.me.abort.abort_percent": 0}
    layers = {"layers": [{"name": "l", "static_layer": caller}]}
    proxy = make_proxy({**source, "layered_runtime": layers})
    assert play(proxy, headers=(("x-envoy-downstream-service-cluster", "me"),)).outcome.status == 200
    assert play(proxy).outcome.status == 503


def test_shares_are_drawn() -> None:
    config = {"abort": {"http_status": 503, "percentage": {"numerator": 30}}}
    proxy = make_proxy(bootstrap([http_filter("f", KIND, config)], routes(ROUTE)))
    world = World(chance=Sampled(seed=7))
    aborted = sum(play(proxy, world=world).outcome.status == 503 for _ in range(300))
    assert 60 < aborted < 120


def test_metadata_is_written_under_the_filters_name() -> None:
    config = {**ABORT, "filter_metadata": {"why": "chaos"}}
    log = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
    text = {"log_format": {"text_format_source": {"inline_string": "%DYNAMIC_METADATA(mine:why)%"}}}
    logger = {"name": "l", "typed_config": {"@type": log, **text}}
    proxy = make_proxy(bootstrap([http_filter("mine", KIND, config)], routes(ROUTE), access_log=[logger]))
    assert play(proxy).outcome.access_log == ("chaos",)
