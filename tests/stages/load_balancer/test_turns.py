"""Round robin and its schedules."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envoysim.model.chance import Sampled
from envoysim.stages.load_balancer.schedule import Deadlines, Turns, lay_out, whole_weights

from .balancing import address, endpoint, group, make_cluster, sequence, shares, tally


@pytest.mark.parametrize(
    ("weights", "whole"),
    [
        ([1.0, 1.0], (1, 1)),
        ([4, 2], (2, 1)),
        ([Fraction(7, 10), Fraction(1)], (7, 10)),
        ([0.5, 1.5, 1.0], (1, 3, 2)),
    ],
)
def test_whole_weights(weights: list[float | Fraction], whole: tuple[int, ...]) -> None:
    assert whole_weights(weights) == whole


@pytest.mark.parametrize(
    ("weights", "order"),
    [
        ((1, 1, 1), (0, 1, 2)),
        ((1, 2), (1, 0, 1)),
        ((1, 2, 5), (2, 2, 1, 2, 2, 0, 1, 2)),
        ((3, 1), (0, 0, 1, 0)),
    ],
)
def test_earliest_deadline_first(weights: tuple[int, ...], order: tuple[int, ...]) -> None:
    assert lay_out(weights) == order


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers())
def test_a_period_is_proportional_wherever_it_starts(weights: list[int], seed: int) -> None:
    turns, chance = Turns(weights), Sampled(seed)
    period = sum(turns.weights)
    picks = [turns.next(chance, "") for _ in range(2 * period)]

    for start in (0, period):
        assert [picks[start : start + period].count(i) for i in range(len(weights))] == list(turns.weights)


def test_a_rebuilt_schedule_starts_where_it_started() -> None:
    turns, chance = Turns([5, 3, 2]), Sampled(7)
    first = [turns.next(chance, "") for _ in range(10)]
    turns.restart()

    assert [turns.next(chance, "") for _ in range(10)] == first


def test_long_schedules_are_not_laid_out() -> None:
    deadlines = Deadlines((3000, 1000, 1), first=1)
    picks = [deadlines.next() for _ in range(4001)]

    assert picks[0] == 1
    assert picks.count(0) == pytest.approx(3000, abs=2)
    assert picks.count(1) == pytest.approx(1000, abs=2)


def test_equal_weights_go_round() -> None:
    cluster = make_cluster(group(*(endpoint(f"a{i}") for i in range(1, 5))))
    names = sequence(cluster, 8)

    assert names[:4] == names[4:]
    assert sorted(names[:4]) == ["a1", "a2", "a3", "a4"]
    assert shares(cluster) == {"a1": 0.25, "a2": 0.25, "a3": 0.25, "a4": 0.25}


def test_unequal_weights() -> None:
    cluster = make_cluster(group(endpoint("a1", weight=1), endpoint("a2", weight=2), endpoint("a3", weight=5)))

    assert shares(cluster) == {"a1": 0.125, "a2": 0.25, "a3": 0.625}
    assert tally(sequence(cluster, 80)) == {"a1": 10, "a2": 20, "a3": 50}


def test_the_world_may_know_health_better() -> None:
    cluster = make_cluster(group(endpoint("a1"), endpoint("a2"), endpoint("a3", "UNHEALTHY")))
    health = {address("a1"): "unhealthy", address("a3"): "healthy"}

    assert set(sequence(cluster, 6, health=health)) == {"a2", "a3"}


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ("LEAST_REQUEST", {"a1": 0.75, "a2": 0.25}),
        ("ROUND_ROBIN", {"a1": 0.75, "a2": 0.25}),
        ("RANDOM", {"a1": 0.5, "a2": 0.5}),
    ],
)
def test_only_random_ignores_weights(policy: str, wanted: dict[str, float]) -> None:
    cluster = make_cluster(group(endpoint("a1", weight=3), endpoint("a2", weight=1)), lb_policy=policy)

    assert shares(cluster) == wanted
