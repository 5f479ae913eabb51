"""Least request with unequal weights: a host's turn comes later the more requests it is serving when it is chosen."""

from __future__ import annotations

import pytest

from envoysim.model.chance import Sampled
from envoysim.model.world import State, World
from envoysim.stages.load_balancer import Host, request_counts

from .balancing import choose, endpoint, group, make_cluster, named

PATTERN = "..hhhhhh........hh......"
"""Requests one after another; those marked ``h`` are held by their host to the end."""


@pytest.mark.parametrize(
    ("weights", "recorded"),
    [  # what the real Envoy 1.40 chose, each from a random place of its schedule
        ((3, 1), {"AABAABAABAABAABAABABAABA"}),
        ((5, 2), {"AAABABAABAABABAABABAABAB", "ABAABABABAABABAABABAABAA", "BAAABABABAABABAABABAABAA"}),
    ],
)
def test_the_real_envoy_chose_as_one_of_these_does(weights: tuple[int, int], recorded: set[str]) -> None:
    assert recorded <= {_sequence(weights, seed) for seed in range(40)}


def _sequence(weights: tuple[int, int], seed: int) -> str:
    hosts = [endpoint(f"a{number}", weight=weight) for number, weight in enumerate(weights, 1)]
    cluster = make_cluster(group(*hosts), lb_policy="LEAST_REQUEST")
    world, state, chosen = World(chance=Sampled(seed)), State(), ""
    for kind in PATTERN:
        host = choose(cluster, world=world, state=state)
        assert isinstance(host, Host)
        chosen += {"a1": "A", "a2": "B"}[named(host.endpoint)]
        if kind == "h":
            counts = request_counts(state, "c")
            counts[host.endpoint] = counts.get(host.endpoint, 0) + 1
    return chosen
