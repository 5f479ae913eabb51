"""The beaten path changes nothing: the same requests end the same way, at the same time, over the same hosts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from envoysim.load.dump import Dump
from envoysim.model.outcome import Outcome
from envoysim.model.timeline import Timeline
from envoysim.scenario.play import Play
from envoysim.scenario.players import InFull

from .worlds import make_dump, make_play

RETRY = {"retry_on": "5xx,reset,connect-failure", "num_retries": 2}
OUTLIER = {"consecutive_5xx": 3, "max_ejection_percent": 60, "interval": "1s", "base_ejection_time": "3s"}
SLOW = "upstreams: {'*': {latency: {lognormal: {median: 30ms, p99: 900ms}}, errors: [{share: 0.05, status: 503}]}}"
TROUBLE = """
upstreams:
  "*": {latency: {exponential: 20ms}, errors: [{share: 0.02, status: 500}, {share: 0.02, action: reset}]}
  "10.0.0.2:80":
    latency: {uniform: {low: 5ms, high: 80ms}}
    errors: [{share: 0.3, status: 503, latency: 1ms}]
    changes:
      - {at: 3s, until: 5s, state: refuse}
      - {at: 6s, until: 8s, state: hang}
      - {at: 9s, until: 10s, state: connect_timeout}
      - {at: 11s, until: 12s, state: leave}
  "10.0.0.3:80": {latency: 40ms, capacity: {concurrency: 2, queue: 5}}
"""
TIGHT = {"circuit_breakers": {"thresholds": [{"max_connections": 8, "max_pending_requests": 4, "max_retries": 2}]}}
FEW = {"circuit_breakers": {"thresholds": [{"max_requests": 6}]}}
RANDOM = {"lb_policy": "RANDOM", "outlier_detection": OUTLIER}
WEIGHTS = {"clusters": [{"name": "web", "weight": 70}, {"name": "lost", "weight": 10}, {"name": "web", "weight": 20}]}
ONE = {"clusters": [{"name": "web", "weight": 100}, {"name": "lost", "weight": 0}]}

BY_HEADER = {"hash_policy": [{"header": {"header_name": "x-user"}}, {"connection_properties": {"source_ip": True}}]}
HEDGED = {"hedge_policy": {"hedge_on_per_try_timeout": True}, "retry_policy": {**RETRY, "per_try_timeout": "0.05s"}}
REDIRECTS = "upstreams: {'*': {latency: 5ms, errors: [{share: 0.2, status: 302}, {share: 0.1, status: 301}]}}"
GRPC_ERRORS = """
upstreams:
  "*":
    latency: {exponential: 20ms}
    errors: [{share: 0.1, grpc_status: 14}, {share: 0.1, grpc_status: 5}, {share: 0.1, status: 503}]
"""

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "plain": ({}, ""),
    "slow": ({"route": {"timeout": "0.5s"}}, SLOW),
    "retries": ({"route": {"retry_policy": {**RETRY, "per_try_timeout": "0.2s"}, "timeout": "1s"}}, SLOW),
    "trouble": ({"route": {"retry_policy": RETRY, "timeout": "1s"}, "outlier_detection": OUTLIER}, TROUBLE),
    "ejections": ({"outlier_detection": OUTLIER}, TROUBLE),
    "split origins": (
        {"outlier_detection": {**OUTLIER, "split_external_local_origin_errors": True}, "connect_timeout": "0.3s"},
        TROUBLE,
    ),
    "tight breakers": ({"route": {"retry_policy": RETRY}, "outlier_detection": OUTLIER, **TIGHT}, TROUBLE),
    "few requests": ({**FEW}, SLOW),
    "least request": ({"lb_policy": "LEAST_REQUEST", "outlier_detection": OUTLIER}, TROUBLE),
    "random": ({"lb_policy": "RANDOM"}, TROUBLE),
    "HTTP/2": ({"http2_protocol_options": {}, "route": {"retry_policy": RETRY}, **FEW}, TROUBLE),
    "panic": ({"outlier_detection": {**OUTLIER, "consecutive_5xx": 1, "max_ejection_percent": 100}}, TROUBLE),
    "fault": ({"fault": {"abort": {"http_status": 418, "percentage": {"numerator": 10}}}}, SLOW),
    "faults": (
        {
            "fault": {
                "delay": {"fixed_delay": "0.2s", "percentage": {"numerator": 30}},
                "abort": {"http_status": 503, "percentage": {"numerator": 20}},
            },
            "lb_policy": "RANDOM",
            "route": {"retry_policy": RETRY},
        },
        TROUBLE,
    ),
    "weights": ({"route": {"cluster": None, "weighted_clusters": WEIGHTS, "retry_policy": RETRY}, **RANDOM}, TROUBLE),
    "one weight": ({"route": {"cluster": None, "weighted_clusters": ONE}, **RANDOM}, TROUBLE),
    "lost": ({"route": {"cluster": "lost"}}, ""),
    "ring hash": (
        {"lb_policy": "RING_HASH", "outlier_detection": OUTLIER, "route": {**BY_HEADER, "retry_policy": RETRY}},
        TROUBLE,
    ),
    "maglev": ({"lb_policy": "MAGLEV", "route": {"retry_policy": RETRY}}, TROUBLE),
    "bounded loads": (
        {
            "lb_policy": "RING_HASH",
            "route": BY_HEADER,
            "common_lb_config": {"consistent_hashing_lb_config": {"hash_balance_factor": 110}},
        },
        TROUBLE,
    ),
    "hedging": ({"route": {**HEDGED, "timeout": "1s"}, "outlier_detection": OUTLIER}, SLOW),
    "internal redirects": ({"route": {"internal_redirect_policy": {}}}, REDIRECTS),
    "gRPC": (
        {"route": {"retry_policy": {**RETRY, "retry_on": "unavailable,5xx"}}, "outlier_detection": OUTLIER},
        GRPC_ERRORS,
    ),
    "gRPC deadlines": ({"route": {"max_stream_duration": {"grpc_timeout_header_max": "0.05s"}}}, TROUBLE),
    "one at a time": ({"max_requests_per_connection": 1, "route": {"retry_policy": RETRY}}, TROUBLE),
}
TRAFFIC = """
duration: 14s
traffic:
  - {name: web, url: "http://web.test:8080/", phases: [{end: 7s, rate: 150}, {from: 150, to: 400}]}
  - name: posts
    url: "http://web.test:8080/post"
    method: POST
    body: hello
    rate: 20
    bursts: [{at: 4s, requests: 60}]
"""
GRPC = "headers: {content-type: application/grpc, grpc-timeout: 90m, x-user: a}\n    method: POST"


SLOW_ONES = frozenset({"maglev", "bounded loads", "gRPC deadlines", "internal redirects"})
NAMES = [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW_ONES else []) for name in CASES]


@pytest.mark.parametrize("name", NAMES)
def test_the_beaten_path_changes_nothing(name: str, tmp_path: Path) -> None:
    config, upstreams = CASES[name]
    traffic = TRAFFIC.replace("method: POST", GRPC) if name.startswith("gRPC") else TRAFFIC
    dump = make_dump(tmp_path, **config)
    told: list[list[object]] = []
    timelines = []
    for beaten_paths in (True, False):
        records, play = _run(dump, tmp_path, traffic + upstreams, beaten_paths=beaten_paths)
        assert any(isinstance(player, InFull) for player in play.players) == (not beaten_paths)
        told.append(records)
        timelines.append(play.timeline())

    assert len(told[0]) > 2500
    assert told[0] == told[1]
    fast, general = (replace(t, notes=[]) for t in timelines)
    assert _rounded(fast) == _rounded(general)


def _rounded(timeline: Timeline) -> object:
    """A timeline whose rows are sorted and whose sums are free of the order they were added in."""
    names = ("streams", "routes", "clusters")
    rows: dict[str, Any] = {name: sorted(getattr(timeline, name), key=str) for name in names}
    return re.sub(r"\d+\.\d{9,}", lambda found: f"{float(found[0]):.6f}", str(replace(timeline, **rows)))


def _run(dump: Dump, tmp_path: Path, text: str, *, beaten_paths: bool) -> tuple[list[object], Play]:
    """Play, and write down all that can be told of every request, in the order in which they end."""
    records: list[object] = []

    def keep(index: int, outcome: Outcome, start_ms: float) -> None:
        attempts = [(a.endpoint, a.result, a.at_ms) for a in outcome.attempts]
        answer = (outcome.status, outcome.response_flags, outcome.response_code_details)
        where = (outcome.route, outcome.cluster, outcome.endpoint)
        records.append((index, start_ms, play.state.now_ms, answer, where, attempts))

    play = make_play(dump, tmp_path, text, beaten_paths=beaten_paths, on_outcome=keep)
    play.run()
    return records, play
