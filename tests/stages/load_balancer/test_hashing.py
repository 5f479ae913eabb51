"""Ring hash and maglev: hash functions by known values, tables by what must hold for every hash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envoysim.model.world import State, World
from envoysim.stages.cluster import Cluster
from envoysim.stages.load_balancer import Host, LbContext, request_counts
from envoysim.stages.load_balancer.mersenne_twister import MersenneTwister
from envoysim.stages.load_balancer.murmur import murmur_hash2
from envoysim.stages.xx_hash import xx_hash64

from .balancing import POLICIES, Json, address, choose, endpoint, group, make_cluster, named, shares

HASHES = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize(
    ("text", "seed", "number"),
    [
        ("", 0, 0xEF46DB3751D8E999),
        ("a", 0, 0xD24EC4F1A98C6E5B),
        ("foo", 0, 3728699739546630719),
        ("bar", 0, 5234164152756840025),
    ],
)
def test_xx_hash(text: str, seed: int, number: int) -> None:
    assert xx_hash64(text, seed) == number


def test_murmur() -> None:
    """Lengths below, at and above a word, and the seed of libstdc++."""
    assert murmur_hash2(b"") == murmur_hash2(b"", 0xC70F6907)
    assert murmur_hash2(b"The quick brown fox") != murmur_hash2(b"The quick brown fox", 0)
    assert len({murmur_hash2(b"x" * length) for length in range(32)}) == 32


def test_mersenne_twister() -> None:
    """The standard's check value: the 10,000th number of a default-seeded ``std::mt19937``."""
    twister = MersenneTwister(5489)
    for _ in range(9_999):
        twister.next()

    assert twister.next() == 4123659995


def pick(cluster: Cluster, number: int, state: State | None = None) -> str:
    host = choose(cluster, LbContext(hash_key=number), World(), state)
    assert isinstance(host, Host)
    return named(host.endpoint)


def hosts(*weights: int) -> Json:
    return group(*(endpoint(f"a{i + 1}", weight=weight) for i, weight in enumerate(weights)))


RING = make_cluster(hosts(1, 1, 2), lb_policy="RING_HASH")
MURMUR = make_cluster(hosts(1, 1, 2), lb_policy="RING_HASH", ring_hash_lb_config={"hash_function": "MURMUR_HASH_2"})
MAGLEV = make_cluster(hosts(1, 1, 2), lb_policy="MAGLEV")


@pytest.mark.parametrize(("cluster", "near"), [(RING, 0.06), (MURMUR, 0.06), (MAGLEV, 0.001)])
def test_shares_follow_weights(cluster: Cluster, near: float) -> None:
    assert shares(cluster) == pytest.approx({"a1": 0.25, "a2": 0.25, "a3": 0.5}, abs=near)


@given(HASHES)
def test_a_point_of_the_ring_belongs_to_the_next_host(number: int) -> None:
    """Plain search through all points, against the ring's bisection."""
    points = sorted(
        (xx_hash64(f"{address(name)}_{i}"), name)
        for name, count in (("a1", 256), ("a2", 256), ("a3", 512))
        for i in range(count)
    )
    wanted = next((name for point, name in points if point >= number), points[0][1])

    assert pick(RING, number) == wanted


def ring(size: int, *names: str) -> Cluster:
    config = {"minimum_ring_size": size, "maximum_ring_size": size}
    return make_cluster(group(*map(endpoint, names)), lb_policy="RING_HASH", ring_hash_lb_config=config)


TWO, THREE = ring(600, "a1", "a2"), ring(900, "a1", "a2", "a3")


@given(HASHES)
def test_losing_a_host_moves_only_its_keys(number: int) -> None:
    assert pick(THREE, number) in (pick(TWO, number), "a3")


def test_small_rings_leave_hosts_out() -> None:
    cluster = make_cluster(
        hosts(*[1] * 9), lb_policy="RING_HASH", ring_hash_lb_config={"minimum_ring_size": 1, "maximum_ring_size": 3}
    )

    assert len(shares(cluster)) == 3


def test_hash_key_stands_for_the_address() -> None:
    """Two clusters at different addresses agree where their hosts have the same keys."""
    left = make_cluster(
        group(endpoint("a1", lb={"hash_key": "x"}), endpoint("a2", lb={"hash_key": "y"})), lb_policy="MAGLEV"
    )
    right = make_cluster(
        group(endpoint("b2", lb={"hash_key": "y"}), endpoint("b1", lb={"hash_key": "x"})), lb_policy="MAGLEV"
    )

    for number in range(0, 65537, 1009):
        assert pick(left, number)[1] == pick(right, number)[1]


def test_the_hash_chooses_the_priority() -> None:
    cluster = make_cluster(
        group(endpoint("a1"), endpoint("a2", "UNHEALTHY")),
        group(endpoint("b1"), priority=1),
        lb_policy="RING_HASH",
        policy={"overprovisioning_factor": 100},
    )

    assert {number % 100: pick(cluster, number) for number in (0, 49, 50, 99)} == {
        0: "a1",
        49: "a1",
        50: "b1",
        99: "b1",
    }


def test_degraded_hosts_are_not_in_the_table() -> None:
    cluster = make_cluster(group(endpoint("a1", "DEGRADED"), endpoint("a2", "DEGRADED")), lb_policy="MAGLEV")

    assert shares(cluster) == {"-": 1.0}


def test_localities_with_weights() -> None:
    """A locality without a weight gets nothing; health does not change a locality's share."""
    cluster = make_cluster(
        group(endpoint("a1"), endpoint("a2", "UNHEALTHY"), zone="z1", weight=1),
        group(endpoint("b1"), zone="z2", weight=3),
        group(endpoint("c1"), zone="z3"),
        lb_policy="MAGLEV",
        common_lb_config={"locality_weighted_lb_config": {}},
    )

    assert shares(cluster) == pytest.approx({"a1": 0.25, "b1": 0.75}, abs=0.001)


def test_bounded_load_goes_on_to_another_host() -> None:
    cluster = make_cluster(
        hosts(1, 1, 1),
        lb_policy="RING_HASH",
        common_lb_config={"consistent_hashing_lb_config": {"hash_balance_factor": 100}},
    )
    state = State()
    home = pick(cluster, 12345, state)
    request_counts(state, "c")[address(home)] = 50

    away = pick(cluster, 12345, state)
    assert away != home
    assert pick(cluster, 12345, state) == away


def test_typed_policy() -> None:
    cluster = make_cluster(
        hosts(1, 1, 2),
        load_balancing_policy={
            "policies": [
                {
                    "typed_extension_config": {
                        "name": "mine",
                        "typed_config": {"@type": "type.googleapis.com/my.Policy"},
                    }
                },
                {
                    "typed_extension_config": {
                        "name": "ring",
                        "typed_config": {"@type": f"{POLICIES}.ring_hash.v3.RingHash"},
                    }
                },
            ]
        },
    )

    assert cluster.policy.name == "ring hash"
    for number in range(0, 2**64, 2**59):
        assert pick(cluster, number) == pick(RING, number)
