"""Load over virtual time: an hour at 1,000 requests per second, and how cost grows with the number of endpoints.

Times are the process's CPU seconds: one run each, whatever else the machine is doing.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envoysim.scenario.play import Play
from tests.scenario.worlds import make_dump, make_play

MAX_HOUR_S = 60.0
pytestmark = pytest.mark.benchmark(timer=time.process_time)
ROUTE = {"retry_policy": {"retry_on": "5xx,reset", "num_retries": 2}, "timeout": "2s"}
OUTLIER = {"consecutive_5xx": 5, "max_ejection_percent": 30}
WIDE = {"max_connections": 100_000, "max_pending_requests": 100_000, "max_requests": 100_000, "max_retries": 1000}
LATENCY = "{lognormal: {median: 20ms, p99: 200ms}}"
ERRORS = {"few errors": 0.002, "one in twenty": 0.05}


def make(tmp_path: Path, *, seconds: int, hosts: int, errors: float, beaten_paths: bool = True) -> Play:
    """Return a run in which one of the hosts is bad and the others fail now and then."""
    dump = make_dump(
        tmp_path, hosts=hosts, route=ROUTE, outlier_detection=OUTLIER, circuit_breakers={"thresholds": [WIDE]}
    )
    text = f"""
    duration: {seconds}s
    traffic: [{{name: web, url: "http://web.test:8080/", rate: 1000}}]
    upstreams:
      "*": {{latency: {LATENCY}, errors: {{share: {errors}, status: 503}}}}
      "10.0.0.2:80": {{latency: {LATENCY}, errors: {{share: 0.5, status: 503}}}}
    """
    return make_play(dump, tmp_path, text, beaten_paths=beaten_paths)


def measure(benchmark: Any, make_one: Callable[[], Play]) -> Play:
    """Time one run; the compiled dump is out of the collector's way, as in the command."""
    play = make_one()
    gc.collect()
    gc.freeze()
    try:
        benchmark.pedantic(play.run, rounds=1)
    finally:
        gc.unfreeze()
    benchmark.extra_info["microseconds per request"] = round(benchmark.stats.stats.min / play.arrived * 1e6, 2)
    return play


@pytest.mark.parametrize("errors", ERRORS.values(), ids=ERRORS)
def test_an_hour(benchmark: Any, tmp_path: Path, errors: float) -> None:
    """3.6 million requests over 20 endpoints, with retries and ejections."""
    play = measure(benchmark, lambda: make(tmp_path, seconds=3600, hosts=20, errors=errors))
    cluster = play.timeline().clusters[0]
    benchmark.extra_info["retries, ejections"] = (cluster.retries, cluster.ejections)
    assert play.arrived > 3_590_000
    assert cluster.retries > 5000
    assert cluster.ejections > 100
    assert benchmark.stats.stats.min <= MAX_HOUR_S


@pytest.mark.parametrize("hosts", [10, 100, 1000, 10_000])
def test_endpoints(benchmark: Any, tmp_path: Path, hosts: int) -> None:
    """100,000 requests over more and more endpoints."""
    measure(benchmark, lambda: make(tmp_path, seconds=100, hosts=hosts, errors=0.002))


def test_every_stage_for_every_request(benchmark: Any, tmp_path: Path) -> None:
    """What a request costs that has no beaten path (here: switched off)."""
    measure(benchmark, lambda: make(tmp_path, seconds=20, hosts=20, errors=0.002, beaten_paths=False))


def test_memory(tmp_path: Path) -> None:
    """Ten times the requests need hardly more memory."""
    peaks = []
    for seconds in (10, 100):
        play = make(tmp_path, seconds=seconds, hosts=20, errors=0.02)
        tracemalloc.start()
        play.run()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]
