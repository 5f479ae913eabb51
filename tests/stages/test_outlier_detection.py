"""Outlier detection over virtual time: who is ejected, when he comes back, when workers know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from envoysim.model.world import State, World
from envoysim.stages.cluster import Cluster
from envoysim.stages.health_check import FAILURE, NETWORK, RETRIABLE, SUCCESS, check_result, fail_immediately
from envoysim.stages.host import FAILED_ACTIVE_HC, FAILED_OUTLIER_CHECK, Host
from envoysim.stages.load_balancer import NoHost, live_cluster
from envoysim.stages.outlier_detection import ejection_threshold, report
from envoysim.stages.stream import Telling

from .load_balancer.balancing import choose, endpoint, group, make_cluster, named

AT_ONCE = {"update_merge_window": "0s", "healthy_panic_threshold": {"value": 0}}


@dataclass
class Bench:
    """A cluster of hosts a1, a2, ... under test."""

    cluster: Cluster
    world: World = field(default_factory=World)
    state: State = field(default_factory=State)
    telling: Telling = field(default_factory=lambda: Telling(False))

    def host(self, number: int) -> Host:
        return self.cluster.hosts[number - 1]

    def report(self, number: int, *results: int | str) -> None:
        for result in results:
            kind, code = ("answer", result) if isinstance(result, int) else (result, None)
            report(self.cluster, self.host(number), kind, code, self.state, self.telling, self.world)

    def at(self, now_ms: float) -> Bench:
        self.state.now_ms = now_ms
        return self

    def serving(self) -> set[str]:
        """The hosts that get traffic."""
        found = [choose(self.cluster, None, self.world, self.state, self.telling) for _ in self.cluster.hosts]
        return {named(host.endpoint) for host in found if isinstance(host, Host)}

    def stat(self, name: str) -> int:
        return self.telling.stats.get(f"cluster.c.outlier_detection.{name}", 0)


def bench(hosts: int = 3, common: dict[str, Any] | None = None, **outlier: Any) -> Bench:
    config = {"max_ejection_percent": 100, "consecutive_5xx": 2, "consecutive_gateway_failure": 9, **outlier}
    endpoints = group(*(endpoint(f"a{i + 1}") for i in range(hosts)))
    fields: dict[str, Any] = {"common_lb_config": AT_ONCE if common is None else common}
    return Bench(make_cluster(endpoints, outlier_detection=config, **fields))


GATEWAY = {"consecutive_5xx": 9, "consecutive_gateway_failure": 2, "enforcing_consecutive_gateway_failure": 100}
LOCAL = {"split_external_local_origin_errors": True, "consecutive_local_origin_failure": 2, "consecutive_5xx": 2}

# settings, results of a1, whether it is ejected
RESULTS: list[tuple[dict[str, Any], list[int | str], bool]] = [
    ({}, [500, 503], True),
    ({}, [500, 200, 500], False),
    ({}, [500, 404, 500], False),
    ({}, [499, 499], False),
    ({}, ["connect_failed", "timeout"], True),
    ({}, ["connect_failed", "connected", "connect_failed"], True),
    ({}, ["connect_failed", "connected_final", "connect_failed"], False),
    (GATEWAY, [502, 504], True),
    (GATEWAY, [502, 500, 504], False),
    (GATEWAY, ["connect_failed", "timeout"], True),
    ({**GATEWAY, "enforcing_consecutive_gateway_failure": 0}, [502, 504], False),
    (LOCAL, ["connect_failed", "timeout"], True),
    (LOCAL, ["connect_failed", 500, "timeout"], True),
    (LOCAL, ["connect_failed", "connected", "timeout"], False),
    (LOCAL, [500, "connected", 500], True),
    ({"enforcing_consecutive_5xx": 0}, [500, 500], False),
    ({"max_ejection_percent": 33}, [500, 500], False),
    ({"max_ejection_percent": 34}, [500, 500], True),
    ({"max_ejection_percent": 0, "always_eject_one_host": True}, [500, 500], True),
]


@pytest.mark.parametrize(("settings", "results", "ejected"), RESULTS)
def test_consecutive(settings: dict[str, Any], results: list[int | str], ejected: bool) -> None:
    under = bench(**settings)
    under.report(1, *results)

    assert under.serving() == ({"a2", "a3"} if ejected else {"a1", "a2", "a3"})


def test_overflow_counts_and_starts_again() -> None:
    under = bench(max_ejection_percent=10)
    under.report(1, 500, 500, 500)

    assert (under.stat("ejections_overflow"), under.stat("ejections_consecutive_5xx")) == (1, 1)
    under.report(1, 500)
    assert under.stat("ejections_overflow") == 2


def test_counters() -> None:
    """Kinds other than 5xx and success rate are enforced without rising ``ejections_total``."""
    by_5xx, by_gateway = bench(), bench(**GATEWAY)
    by_5xx.report(1, 500, 500)
    by_gateway.report(1, 502, 502)

    assert (by_5xx.stat("ejections_total"), by_5xx.stat("ejections_enforced_total")) == (1, 1)
    assert (by_gateway.stat("ejections_total"), by_gateway.stat("ejections_enforced_total")) == (0, 1)


def test_back_at_the_first_tick_after_its_time() -> None:
    under = bench(interval="0.1s", base_ejection_time="0.25s")
    under.at(20).report(1, 500, 500)

    for now_ms, back in ((21, False), (270, False), (299, False), (300, True)):
        assert ("a1" in under.at(now_ms).serving()) is back


def test_every_ejection_lasts_longer_up_to_a_limit() -> None:
    under = bench(interval="1s", base_ejection_time="1s", max_ejection_time="2s")
    times = []
    for _ in range(4):
        start = under.state.now_ms
        under.report(1, 500, 500)
        while "a1" not in under.serving():
            under.state.now_ms += 100
        times.append(under.state.now_ms - start)

    assert times == [1000, 2000, 2000, 2000]


def test_back_off_decays_while_a_host_behaves() -> None:
    under = bench(interval="1s", base_ejection_time="1s")
    under.report(1, 500, 500)
    under.at(1000).serving()
    under.at(1000).report(1, 500, 500)
    under.at(3000).serving()  # back; from the next tick on every interval takes one off
    under.at(5000).serving()
    under.report(1, 500, 500)

    assert "a1" not in under.at(5999).serving()
    assert "a1" in under.at(6000).serving()


def test_workers_learn_merged() -> None:
    """The first change is known at once, a second one within the window only when the window is over."""
    under = bench(common={"healthy_panic_threshold": {"value": 0}}, base_ejection_time="600s")
    under.report(1, 500, 500)
    assert under.serving() == {"a2", "a3"}

    under.at(10).report(2, 500, 500)
    assert under.at(1009).serving() == {"a2", "a3"}
    assert under.at(1010).serving() == {"a3"}


def test_all_ejected_and_no_panic() -> None:
    under = bench(hosts=2)
    under.report(1, 500, 500)
    under.report(2, 500, 500)

    assert isinstance(choose(under.cluster, world=under.world, state=under.state), NoHost)


@pytest.mark.parametrize(
    ("rates", "factor", "threshold"),
    [([50, 100, 100, 100, 100], 1.9, 52.0), ([0, 100, 100, 100], 1.9, -7.272), ([100, 100], 1.0, 100.0)],
)
def test_success_rate_threshold(rates: list[float], factor: float, threshold: float) -> None:
    assert ejection_threshold(rates, factor) == pytest.approx(threshold, abs=0.001)


@pytest.mark.parametrize(
    ("hosts", "settings", "stat"),
    [
        (5, {"success_rate_request_volume": 2}, "ejections_enforced_success_rate"),
        (4, {"success_rate_request_volume": 2, "success_rate_minimum_hosts": 4}, ""),
        (
            3,
            {
                "failure_percentage_minimum_hosts": 3,
                "failure_percentage_request_volume": 2,
                "enforcing_failure_percentage": 100,
            },
            "ejections_enforced_failure_percentage",
        ),
        (
            3,
            {
                "failure_percentage_minimum_hosts": 3,
                "failure_percentage_request_volume": 3,
                "enforcing_failure_percentage": 100,
            },
            "",
        ),
    ],
)
def test_judged_by_the_interval(hosts: int, settings: dict[str, Any], stat: str) -> None:
    """One host fails all its requests: found at the end of the interval, if there are hosts and requests enough."""
    under = bench(hosts, consecutive_5xx=99, interval="1s", **settings)
    for number in range(1, hosts + 1):
        under.report(number, *([500, 500] if number == 1 else [200, 200]))

    assert "a1" in under.at(999).serving()
    assert ("a1" in under.at(1000).serving()) is not bool(stat)
    if stat:
        assert under.stat(stat) == 1


def test_degraded_hosts() -> None:
    under = bench(detect_degraded_hosts=True, interval="1s", base_ejection_time="1s")
    under.report(1, "degraded")

    assert under.serving() == {"a2", "a3"}
    assert under.at(1000).serving() == {"a1", "a2", "a3"}


# results of checks, thresholds (unhealthy, healthy), failed at the end
CHECKS = [
    ([SUCCESS, FAILURE], (3, 2), True),
    ([SUCCESS, RETRIABLE, RETRIABLE], (3, 2), False),
    ([SUCCESS, RETRIABLE, NETWORK, RETRIABLE], (3, 2), True),
    ([SUCCESS, NETWORK, NETWORK, SUCCESS, NETWORK], (3, 2), False),
    ([FAILURE, SUCCESS], (3, 2), True),
    ([FAILURE, SUCCESS, SUCCESS], (3, 2), False),
    ([FAILURE, SUCCESS, FAILURE, SUCCESS], (3, 2), True),
]


def checked(unhealthy: int = 3, healthy: int = 2, **fields: Any) -> Bench:
    check = {
        "timeout": "1s",
        "interval": "5s",
        "unhealthy_interval": "7s",
        "healthy_edge_interval": "1s",
        "unhealthy_threshold": unhealthy,
        "healthy_threshold": healthy,
        "http_health_check": {"path": "/"},
    }
    cluster = make_cluster(
        group(endpoint("a1"), endpoint("a2")), health_checks=[check], common_lb_config=AT_ONCE, **fields
    )
    return Bench(cluster)


@pytest.mark.parametrize(("results", "thresholds", "failed"), CHECKS)
def test_health_checks(results: list[str], thresholds: tuple[int, int], failed: bool) -> None:
    under = checked(*thresholds)
    for result in results:
        check_result(under.cluster, under.host(1), result, under.world, under.state, under.telling)

    assert under.serving() == ({"a2"} if failed else {"a1", "a2"})


def test_when_the_next_check_is_due() -> None:
    under = checked()
    due = [
        check_result(under.cluster, under.host(1), result, under.world, under.state, under.telling)
        for result in (SUCCESS, NETWORK, FAILURE, SUCCESS, SUCCESS)
    ]

    assert due == [5000, 7000, 7000, 1000, 5000]


def test_a_passed_check_ends_an_ejection() -> None:
    under = checked(outlier_detection={"consecutive_5xx": 1, "max_ejection_percent": 100})
    under.report(1, 500)
    assert under.serving() == {"a2"}

    check_result(under.cluster, under.host(1), SUCCESS, under.world, under.state, under.telling)
    assert under.serving() == {"a1", "a2"}


def test_a_host_may_fail_itself() -> None:
    under = checked()
    fail_immediately(under.cluster, under.host(1), under.world, under.state, under.telling)
    flags = live_cluster(under.cluster, under.world, under.state).flags(under.host(1))

    assert under.serving() == {"a2"}
    assert FAILED_ACTIVE_HC in flags
    assert FAILED_OUTLIER_CHECK not in flags
