"""Priorities, panic and degraded hosts: the exact shares, by the integers Envoy 1.40 calculates with."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envoysim.stages.load_balancer.host_set import HostGroup, HostSet
from envoysim.stages.load_balancer.priority import priority_loads

from .balancing import Json, endpoint, group, make_cluster, shares

H, U, D, X = "HEALTHY", "UNHEALTHY", "DEGRADED", "DRAINING"


def level(letter: str, *healths: str, priority: int = 0) -> Json:
    return group(*(endpoint(f"{letter}{i + 1}", health) for i, health in enumerate(healths)), priority=priority)


def levels(*healths: tuple[str, ...]) -> list[Json]:
    return [level("ab"[i], *health, priority=i) for i, health in enumerate(healths)]


# healths by priority, common_lb_config, assignment policy, shares
CASES: list[tuple[str, list[tuple[str, ...]], Json, Json, dict[str, float]]] = [
    ("one healthy of two is no panic", [(H, U)], {}, {}, {"a1": 1.0}),
    ("one of three is: all get traffic", [(H, U, U)], {}, {}, {"a1": 1 / 3, "a2": 1 / 3, "a3": 1 / 3}),
    ("panic off: healthy hosts only", [(H, U, U)], {"healthy_panic_threshold": {"value": 0}}, {}, {"a1": 1.0}),
    ("panic off, none healthy: no host", [(U, U)], {"healthy_panic_threshold": {"value": 0}}, {}, {"-": 1.0}),
    ("all unhealthy: panic goes on", [(U, U)], {}, {}, {"a1": 0.5, "a2": 0.5}),
    (
        "fail_traffic_on_panic",
        [(U, U)],
        {"zone_aware_lb_config": {"fail_traffic_on_panic": True}},
        {},
        {"-": 1.0},
    ),
    (
        "1/3 healthy at P0, P1 whole: 46 and 54, P0's share goes to its healthy host",
        [(H, U, U), (H, H)],
        {},
        {},
        {"a1": 0.46, "b1": 0.27, "b2": 0.27},
    ),
    ("draining hosts do not count", [(H, U, U, X), (H,)], {}, {}, {"a1": 0.46, "b1": 0.54}),
    (
        "35 and 65: no panic although P0 is at a quarter",
        [(H, U, U, U), (H, U)],
        {},
        {},
        {"a1": 0.35, "b1": 0.65},
    ),
    (
        "both in panic: load follows the number of hosts",
        [(U, U, U), (U,)],
        {},
        {},
        {"a1": 0.25, "a2": 0.25, "a3": 0.25, "b1": 0.25},
    ),
    ("all of P0 degraded, P1 healthy: P1 alone", [(D, D), (H, H)], {}, {}, {"b1": 0.5, "b2": 0.5}),
    (
        "healthy and degraded of one priority",
        [(H, D, X, "TIMEOUT", "UNKNOWN")],
        {},
        {},
        {"a1": 0.35, "a2": 0.3, "a5": 0.35},
    ),
    ("half and half: 50 % available is not below 50", [(H, D, U, U)], {}, {}, {"a1": 0.5, "a2": 0.5}),
    ("overprovisioning 200", [(H, U), (H,)], {}, {"overprovisioning_factor": 200}, {"a1": 1.0}),
    ("overprovisioning 100", [(H, U), (H,)], {}, {"overprovisioning_factor": 100}, {"a1": 0.5, "b1": 0.5}),
    ("an empty priority", [(), (H,)], {}, {}, {"b1": 1.0}),
]


@pytest.mark.parametrize(("words", "healths", "common", "policy", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_shares(
    words: str, healths: list[tuple[str, ...]], common: Json, policy: Json, wanted: dict[str, float]
) -> None:
    cluster = make_cluster(*levels(*healths), common_lb_config=common, policy=policy)

    assert shares(cluster) == pytest.approx(wanted, abs=1e-6)


def test_weights_count_for_health_only_where_asked() -> None:
    hosts = group(endpoint("a1", H, weight=3), endpoint("a2", U, weight=1)), group(endpoint("b1", H), priority=1)

    by_count = make_cluster(*hosts)
    by_weight = make_cluster(*hosts, policy={"weighted_priority_health": True})

    assert shares(by_count) == {"a1": 0.7, "b1": 0.3}
    assert shares(by_weight) == {"a1": 1.0}


def test_random_uses_one_number_for_priority_and_host() -> None:
    """50 of 100 remainders, four hosts: 13, 13, 12, 12 of them - not a quarter each."""
    cluster = make_cluster(
        level("a", H, H, H, H, U, U, U, U),
        level("b", H, priority=1),
        lb_policy="RANDOM",
        policy={"overprovisioning_factor": 100},
    )

    assert shares(cluster) == {"a1": 0.13, "a2": 0.13, "a3": 0.12, "a4": 0.12, "b1": 0.5}


@st.composite
def host_sets(draw: Any) -> list[HostSet]:
    """Host sets of any sizes; a host is only counted, so any object will do."""
    found = []
    for priority in range(draw(st.integers(1, 4))):
        total = draw(st.integers(0, 8))
        healthy = draw(st.integers(0, total))
        degraded = draw(st.integers(0, total - healthy))
        hosts = tuple(range(total))
        group_: Any = HostGroup(hosts, hosts[:healthy], hosts[healthy : healthy + degraded])  # type: ignore[arg-type]
        found.append(HostSet(priority, group_, overprovisioning=draw(st.sampled_from([100, 140, 200]))))
    return found


@given(host_sets(), st.integers(0, 100))
def test_loads_add_up(sets: list[HostSet], threshold: int) -> None:
    loads = priority_loads(sets, threshold)

    assert sum(loads.healthy) + sum(loads.degraded) == 100
    for host_set, healthy, degraded, panic in zip(sets, loads.healthy, loads.degraded, loads.panic, strict=True):
        if not panic and any(s.group.healthy or s.group.degraded for s in sets):
            assert healthy == 0 or host_set.group.healthy
            assert degraded == 0 or host_set.group.degraded
