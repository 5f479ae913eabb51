"""Slow start: what a host that has just come gets of its weight, beside what the real Envoy gave it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from envoysim.model.chance import Sampled
from envoysim.model.world import State, World
from envoysim.stages.cluster import Cluster
from envoysim.stages.health_check import SUCCESS, check_result
from envoysim.stages.host import DRAINING
from envoysim.stages.load_balancer import Host, live_cluster
from envoysim.stages.stream import Telling

from .balancing import choose, endpoint, group, make_cluster, named, sequence

CONFIGS = {"ROUND_ROBIN": "round_robin_lb_config", "LEAST_REQUEST": "least_request_lb_config"}
BIN_MS = 250.0

# policy, weights, aggression, min_weight_percent; then what the real Envoy 1.40 made of 250 ms each: requests to the
# three hosts, the third of which endpoint discovery had just added (EDS from a file, window 2 s, one worker)
RECORDED: list[tuple[str, Sequence[int], float, float, Sequence[Sequence[int]]]] = [
    (
        *("ROUND_ROBIN", (1, 1, 1), 1.0, 10.0),
        [(6, 6, 0), (6, 6, 1), (5, 5, 1), (6, 6, 3), (6, 6, 3), (5, 5, 3), (6, 6, 5), (6, 6, 6), (5, 5, 6), (6, 6, 5)],
    ),
    (
        *("ROUND_ROBIN", (1, 1, 1), 2.0, 10.0),
        [(6, 6, 0), (6, 6, 2), (5, 5, 3), (6, 6, 4), (6, 6, 4), (5, 6, 5), (6, 5, 5), (6, 6, 5), (6, 6, 6), (5, 5, 5)],
    ),
    (
        *("ROUND_ROBIN", (1, 2, 4), 0.5, 30.0),
        [(3, 6, 4), (3, 6, 3), (2, 5, 3), (3, 6, 4), (3, 6, 4), (3, 6, 5), (2, 4, 6), (2, 3, 6), (1, 3, 6), (2, 3, 5)],
    ),
    (
        *("LEAST_REQUEST", (1, 1, 1), 1.0, 10.0),
        [(5, 6, 1), (6, 6, 1), (6, 6, 1), (5, 5, 2), (6, 6, 3), (6, 6, 4), (5, 5, 4), (6, 6, 6), (6, 6, 6), (5, 5, 5)],
    ),
]


def _cluster(policy: str, weights: Sequence[int], aggression: float, minimum: float, **more: Any) -> Cluster:
    slow_start = {
        "slow_start_window": "2s",
        "aggression": {"default_value": aggression, "runtime_key": "a"},
        "min_weight_percent": {"value": minimum},
    }
    hosts = [endpoint(f"a{i + 1}", "DRAINING" if i == 2 else "UNKNOWN", weight) for i, weight in enumerate(weights)]
    return make_cluster(group(*hosts), lb_policy=policy, **{CONFIGS[policy]: {"slow_start_config": slow_start}}, **more)


def _name(host: object) -> str:
    assert isinstance(host, Host)
    return named(host.endpoint)


@pytest.mark.parametrize(("policy", "weights", "aggression", "minimum", "recorded"), RECORDED)
def test_a_new_host_gets_what_the_real_envoy_gave_it(
    policy: str, weights: Sequence[int], aggression: float, minimum: float, recorded: Sequence[Sequence[int]]
) -> None:
    cluster = _cluster(policy, weights, aggression, minimum)
    world, state = World(chance=Sampled(3)), State()
    live_cluster(cluster, world, state).clear_flags(cluster.hosts[2], {DRAINING}, 0.0)

    so_far = 0
    for number, counts in enumerate(recorded):
        chosen = []
        for request in range(sum(counts)):
            state.now_ms = (number + request / sum(counts)) * BIN_MS
            chosen.append(_name(choose(cluster, world=world, state=state)))
        found = [chosen.count(name) for name in ("a1", "a2", "a3")]
        assert found == pytest.approx(counts, abs=2), number
        so_far += found[2] - counts[2]
        assert abs(so_far) <= 2, number


def test_hosts_that_are_there_at_first_are_warm() -> None:
    cluster = _cluster("ROUND_ROBIN", (1, 1, 1), 1.0, 10.0)

    assert sequence(cluster, 6) == 3 * sequence(cluster, 2)
    assert "slow start" in "".join(note.text for note in _notes(cluster))


def _notes(cluster: Cluster) -> Sequence[Any]:
    telling = Telling(False)
    choose(cluster, telling=telling)
    return telling.notes


def test_a_host_that_passes_its_checks_starts_slowly() -> None:
    check = {"timeout": "1s", "interval": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1}
    hosts = [endpoint("a1"), endpoint("a2")]
    cluster = make_cluster(
        group(*hosts),
        health_checks=[{**check, "http_health_check": {"path": "/"}}],
        round_robin_lb_config={"slow_start_config": {"slow_start_window": "100s"}},
    )
    world, state, telling = World(chance=Sampled(3)), State(), Telling(False)
    for now_ms, result in ((1000.0, "failure"), (5000.0, SUCCESS)):
        state.now_ms = now_ms
        check_result(cluster, cluster.hosts[1], result, world, state, telling)
    shares = []
    for now_ms in (5000.0, 55_000.0, 106_000.0):
        state.now_ms = now_ms
        chosen = [_name(choose(cluster, world=world, state=state)) for _ in range(220)]
        shares.append(chosen.count("a2") / 220)

    assert shares == pytest.approx([0.1 / 1.1, 0.5 / 1.5, 0.5], abs=0.01)
