"""What scenarios come to: shares, queues, interruptions, memory, health checks, moments."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from envoysim.load import load
from envoysim.model.timeline import Timeline

from .worlds import endpoints, make_dump, make_play, play

STREAM = "traffic: [{{name: web, url: 'http://web.test:8080/', rate: {rate}, arrivals: {arrivals}}}]\n"


def scenario(seconds: float, rate: float, upstreams: str = "", arrivals: str = "poisson") -> str:
    """Write a scenario with one stream."""
    return f"duration: {seconds}s\n{STREAM.format(rate=rate, arrivals=arrivals)}{upstreams}"


def moments(timeline: Timeline) -> list[str]:
    """Return the moments' texts."""
    return [moment.text for moment in timeline.moments]


# ---- traffic


@pytest.mark.parametrize(("arrivals", "deviation"), [("steady", 0.0), ("poisson", math.sqrt(20_000))])
def test_as_many_arrive_as_the_rate_says(arrivals: str, deviation: float, tmp_path: Path) -> None:
    found = play(make_dump(tmp_path), tmp_path, scenario(100, 200, arrivals=arrivals))

    assert abs(found.requests - 20_000) <= 4 * deviation


def test_ramps_and_bursts(tmp_path: Path) -> None:
    text = """
duration: 40s
traffic:
  - name: web
    url: http://web.test:8080/
    arrivals: steady
    phases: [{end: 10s, rate: 10}, {end: 30s, from: 10, to: 30}]
    bursts: [{at: 35s, requests: 50, over: 1s}]
"""
    found = play(make_dump(tmp_path), tmp_path, text)

    per_10_s = [sum(b.arrivals for b in found.bins if t <= b.start_ms < t + 10_000) for t in range(0, 40_000, 10_000)]
    assert per_10_s == [100, 150, 250, 50]


# ---- who answers


@pytest.mark.parametrize("policy", ["RANDOM", "LEAST_REQUEST", "ROUND_ROBIN"])
def test_hosts_share_evenly(policy: str, tmp_path: Path) -> None:
    """Chi-square with 4 degrees of freedom: above 18.5 once in a thousand (round robin: never)."""
    found = play(make_dump(tmp_path, hosts=5, lb_policy=policy), tmp_path, scenario(100, 100))

    counts = [endpoint.attempts for endpoint in found.clusters[0].endpoints]
    expected = sum(counts) / 5
    chi_square = sum((count - expected) ** 2 / expected for count in counts)
    assert chi_square < (18.5 if policy != "ROUND_ROBIN" else 0.01)


def test_weights(tmp_path: Path) -> None:
    """A route's weights 80/20, against the standard deviation of as many draws."""
    route = {"weighted_clusters": {"clusters": [{"name": "web", "weight": 80}, {"name": "none", "weight": 20}]}}
    dump = make_dump(tmp_path, route={**route, "cluster": None})

    found = play(dump, tmp_path, scenario(100, 100))

    statuses = found.streams[0].statuses
    assert abs(statuses["503"] - 0.2 * found.requests) < 4 * math.sqrt(0.16 * found.requests)


def test_errors_have_their_share(tmp_path: Path) -> None:
    errors = "upstreams: {web: {errors: [{share: 0.1, status: 500}, {share: 0.05, action: reset}]}}"
    found = play(make_dump(tmp_path), tmp_path, scenario(100, 100, errors))

    statuses, total = found.streams[0].statuses, found.requests
    assert abs(statuses["500"] - 0.1 * total) < 4 * math.sqrt(0.09 * total)
    assert abs(statuses["503"] - 0.05 * total) < 4 * math.sqrt(0.0475 * total)
    assert found.streams[0].flags == {"UC": statuses["503"]}


# ---- queues


def test_a_single_server_with_poisson_arrivals(tmp_path: Path) -> None:
    """M/D/1: with utilisation 0.8 and 10 ms of service a request waits 0.8 / (2 * 0.2) * 10 ms = 20 ms on average."""
    upstreams = "upstreams: {web: {latency: 10ms, capacity: {concurrency: 1}}}"
    found = play(make_dump(tmp_path, hosts=1), tmp_path, scenario(2000, 80, upstreams))

    assert found.streams[0].latency.mean_ms == pytest.approx(30.0, rel=0.05)


def test_two_servers_with_exponential_service(tmp_path: Path) -> None:
    """M/M/2 with utilisation 0.75: a request waits rho^2 / (1 - rho^2) of the service time."""
    upstreams = "upstreams: {web: {latency: {exponential: 10ms}, capacity: {concurrency: 2}}}"
    found = play(make_dump(tmp_path, hosts=1), tmp_path, scenario(2000, 150, upstreams))

    assert found.streams[0].latency.mean_ms == pytest.approx(10 * (1 + 0.5625 / 0.4375), rel=0.05)


def test_a_full_queue_refuses(tmp_path: Path) -> None:
    """Twice what one server can do, and two places to wait: half is refused, and nobody waits longer than 30 ms."""
    upstreams = "upstreams: {web: {latency: 10ms, capacity: {concurrency: 1, queue: 2, when_full: 429}}}"
    found = play(make_dump(tmp_path, hosts=1), tmp_path, scenario(20, 200, upstreams, "steady"))

    row = found.streams[0]
    assert row.statuses["429"] / row.requests == pytest.approx(0.5, abs=0.01)
    assert row.latency.max_ms <= 30.0 + 1e-6


def test_latency_quantiles(tmp_path: Path) -> None:
    """A lognormal's median and p99 come back, within the 2 % of a bucket and the error of sampling."""
    found = play(make_dump(tmp_path), tmp_path, scenario(200, 200, LOGNORMAL))

    latency = found.streams[0].latency
    assert latency.p50_ms == pytest.approx(20.0, rel=0.04)
    assert latency.p99_ms == pytest.approx(200.0, rel=0.1)


LOGNORMAL = "upstreams: {web: {latency: {lognormal: {median: 20ms, p99: 200ms}}}}"


# ---- what changes, and why

CHANGES: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "hang": (
        {"route": {"timeout": "0.5s"}},
        "{at: 2s, until: 4s, state: hang}",
        ["10.0.0.2:80 hangs: it accepts and never answers", "10.0.0.2:80 recovers"],
    ),
    "ejected by refused connections": (
        {"outlier_detection": {"max_ejection_percent": 40, "consecutive_5xx": 2, "base_ejection_time": "2s"}},
        "{at: 2s, until: 4s, state: refuse}",
        [
            "10.0.0.2:80 refuses connections",
            "10.0.0.2:80 ejected: 2 consecutive 5xx; for 2 s; 1 of 3 hosts, max_ejection_percent 40 allows 1",
            "10.0.0.2:80 recovers",
            "10.0.0.2:80 is back; 0 of 3 hosts ejected",
        ],
    ),
    "not ejected": (
        {"outlier_detection": {"consecutive_5xx": 3}},
        "{at: 2s, until: 4s, errors: {share: 1, status: 500}}",
        [
            "10.0.0.2:80 fails 100% of its requests",
            "10.0.0.2:80 is an outlier by 3 consecutive 5xx; not ejected: 1 of 3 hosts would exceed "
            "max_ejection_percent 10",
            "10.0.0.2:80 recovers",
        ],
    ),
    "health checks": (
        {
            "health_checks": [
                {
                    "timeout": "1s",
                    "interval": "1s",
                    "unhealthy_threshold": 2,
                    "healthy_threshold": 2,
                    "http_health_check": {"path": "/"},
                }
            ]
        },
        "{at: 2.5s, until: 8.5s, state: refuse}",
        [
            "10.0.0.2:80 refuses connections",
            "10.0.0.2:80 fails its checks",
            "10.0.0.2:80 recovers",
            "10.0.0.2:80 passes its checks",
        ],
    ),
    "leaves": ({}, "{at: 2s, until: 4s, state: leave}", ["10.0.0.2:80 leaves", "10.0.0.2:80 recovers"]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_moments_say_what_changed(name: str, tmp_path: Path) -> None:
    config, change, expected = CHANGES[name]
    upstreams = f"upstreams: {{'10.0.0.2:80': {{latency: 1ms, changes: [{change}]}}}}"

    found = play(make_dump(tmp_path, **config), tmp_path, scenario(15, 40, upstreams, "steady"))

    trends = ("failing", "fine", "storm", "calm")
    assert [moment.text for moment in found.moments if moment.kind not in trends] == expected


def test_an_ejected_host_gets_nothing(tmp_path: Path) -> None:
    outlier = {"max_ejection_percent": 40, "consecutive_5xx": 2, "interval": "1s", "base_ejection_time": "5s"}
    upstreams = "upstreams: {'10.0.0.2:80': {errors: {share: 1, status: 503}}}"
    dump = make_dump(tmp_path, outlier_detection=outlier, common_lb_config={"update_merge_window": "0s"})
    found = play(dump, tmp_path, scenario(10, 30, upstreams, "steady"))

    bad = found.clusters[0].endpoints[1]
    assert (bad.attempts, bad.failures, bad.ejections) == (4, 4, 2)
    lane = next(lane for lane in found.lanes if lane.endpoint == bad.endpoint)
    assert [span.state for span in lane.health] == ["healthy", "ejected", "healthy", "ejected"]
    assert bad.ejected_ms == pytest.approx(sum(s.end_ms - s.start_ms for s in lane.health if s.state == "ejected"))


def test_workers_learn_of_a_second_ejection_late(tmp_path: Path) -> None:
    """Health changes within ``update_merge_window`` (1 s) reach workers together: until then the host is used."""
    outlier = {"max_ejection_percent": 40, "consecutive_5xx": 2, "interval": "1s", "base_ejection_time": "5s"}
    upstreams = "upstreams: {'10.0.0.2:80': {errors: {share: 1, status: 503}}}"
    found = play(make_dump(tmp_path, outlier_detection=outlier), tmp_path, scenario(10, 30, upstreams, "steady"))

    bad = found.clusters[0].endpoints[1]
    assert bad.ejections == 2
    assert 11 <= bad.attempts <= 14  # 4, and one in three of 30 per second for what is left of the second


def test_panic_and_its_end(tmp_path: Path) -> None:
    changes = "[{at: 2s, until: 6s, state: unhealthy}]"
    upstreams = f"upstreams: {{'10.0.0.1:80': {{changes: {changes}}}, '10.0.0.2:80': {{changes: {changes}}}}}"
    found = play(make_dump(tmp_path), tmp_path, scenario(10, 50, upstreams))

    said = moments(found)
    assert "panic: 1 of 3 hosts healthy, below healthy_panic_threshold 50 %: all are used" in said
    assert any(text.startswith("panic is over") for text in said)
    cluster = found.clusters[0]
    assert cluster.panics == 1
    assert 2900 <= cluster.panic_ms <= 5000


def test_breakers_that_overflow(tmp_path: Path) -> None:
    limits = {"circuit_breakers": {"thresholds": [{"max_requests": 3}]}}
    found = play(make_dump(tmp_path, **limits), tmp_path, scenario(5, 200, "upstreams: {web: {latency: 100ms}}"))

    assert found.clusters[0].overflows == found.streams[0].flags["UO"] > 100
    assert "circuit breaker max_requests 3 is full: requests are refused" in moments(found)


# ---- the run itself


def test_a_seed_decides_everything(tmp_path: Path) -> None:
    dump = make_dump(tmp_path, lb_policy="RANDOM", outlier_detection={"max_ejection_percent": 50})
    text = scenario(20, 100, "upstreams: {web: {latency: {exponential: 10ms}, errors: {share: 0.4, status: 503}}}")

    first, again, other = (play(dump, tmp_path, text, seed=seed) for seed in (1, 1, 2))

    assert first == again
    assert first.bins != other.bins


def test_an_interrupted_run_tells_what_is_known(tmp_path: Path) -> None:
    made = make_play(make_dump(tmp_path), tmp_path, scenario(1000, 100, LOGNORMAL))

    def interrupt(now_ms: float, arrived: int) -> None:
        if now_ms > 20_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.run(interrupt)
    found = made.timeline(interrupted=True)

    assert found.interrupted
    assert 20_000 < found.simulated_ms < 32_000
    assert 1900 < found.requests < 3200
    assert found.bins[-1].start_ms < 32_000


def test_memory_does_not_grow_with_requests(tmp_path: Path) -> None:
    dump = make_dump(tmp_path, route={"retry_policy": {"retry_on": "5xx"}}, outlier_detection={})
    text = "upstreams: {web: {latency: {exponential: 20ms}, errors: {share: 0.02, status: 503}}}"
    peaks = []
    for seconds in (10, 60):
        made = make_play(dump, tmp_path, scenario(seconds, 500, text))
        tracemalloc.start()
        made.run()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 1.5 * peaks[0]


def test_endpoints_helper() -> None:
    assert endpoints(2) == ["10.0.0.1:80", "10.0.0.2:80"]


def test_tcp_connections_count(tmp_path: Path) -> None:
    dump = load([str(Path(__file__).parents[2] / "fixtures" / "tcp" / "config_dump.json")])
    text = "duration: 10s\ntraffic: {request: {connection: {listener: plain, protocol: TCP}}, rate: 100}\n"

    found = play(dump, tmp_path, text)

    assert found.streams[0].statuses == {"tcp": found.requests}
    assert found.streams[0].success_rate == 1.0
    assert {cluster.totals.name: cluster.endpoints[0].failures for cluster in found.clusters} == {"blue": 0, "green": 0}
