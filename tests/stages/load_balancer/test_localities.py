"""Localities by weight and by zone."""

from __future__ import annotations

import pytest

from .balancing import POLICIES, Json, cluster_json, endpoint, group, make_cluster, make_proxy, shares

WEIGHTED = {"common_lb_config": {"locality_weighted_lb_config": {}}}


def zone(letter: str, healthy: int, unhealthy: int = 0, *, name: str = "", weight: int | None = None) -> Json:
    endpoints = [
        endpoint(f"{letter}{i + 1}", "HEALTHY" if i < healthy else "UNHEALTHY") for i in range(healthy + unhealthy)
    ]
    return group(*endpoints, zone=name or f"z{letter}", weight=weight)


def by_zone(found: dict[str, float]) -> dict[str, float]:
    """Sum shares by the letter of their hosts."""
    sums: dict[str, float] = {}
    for name, share in found.items():
        sums[name[0]] = round(sums.get(name[0], 0.0) + share, 9)
    return sums


@pytest.mark.parametrize(
    ("groups", "wanted"),
    [
        ([zone("a", 2, weight=1), zone("b", 2, weight=3)], {"a": 0.25, "b": 0.75}),
        ([zone("a", 1, 1, weight=1), zone("b", 2, weight=1)], {"a": 0.7 / 1.7, "b": 1 / 1.7}),
        ([zone("a", 2, weight=1), zone("b", 2)], {"a": 1.0}),
        ([zone("a", 1), zone("b", 3)], {"a": 0.25, "b": 0.75}),
    ],
)
def test_weights(groups: list[Json], wanted: dict[str, float]) -> None:
    assert by_zone(shares(make_cluster(*groups, **WEIGHTED))) == pytest.approx(wanted, abs=1e-6)


def test_without_the_option_weights_do_not_count() -> None:
    assert by_zone(shares(make_cluster(zone("a", 1, weight=9), zone("b", 1, weight=1)))) == {"a": 0.5, "b": 0.5}


def test_in_panic_weights_do_not_count() -> None:
    cluster = make_cluster(zone("a", 0, 3, weight=9), zone("b", 0, 1, weight=1), **WEIGHTED)

    assert by_zone(shares(cluster)) == {"a": 0.75, "b": 0.25}


def zone_aware(
    upstream: dict[str, int], sources: dict[str, int], own: str = "z1", unhealthy_sources: int = 0, **config: object
) -> dict[str, float]:
    """Return shares by zone for a proxy in zone ``own`` among ``sources``."""
    groups = [zone(letter, count, name=f"z{i + 1}") for i, (letter, count) in enumerate(upstream.items())]
    local = [
        zone(letter, count, unhealthy_sources, name=f"z{i + 1}") for i, (letter, count) in enumerate(sources.items())
    ]
    proxy = make_proxy(
        cluster_json(*groups, common_lb_config={"zone_aware_lb_config": config}),
        cluster_json(*local, name="me"),
        node={"id": "n", "cluster": "me", "locality": {"zone": own}},
        cluster_manager={"local_cluster_name": "me"},
    )
    cluster = proxy.cluster("c")
    assert cluster is not None
    return by_zone(shares(cluster))


@pytest.mark.parametrize(
    ("upstream", "sources", "own", "wanted"),
    [
        ({"a": 3, "b": 3}, {"x": 1, "y": 1}, "z1", {"a": 1.0}),
        ({"a": 2, "b": 4}, {"x": 1, "y": 1}, "z1", {"a": 0.6666, "b": 0.3334}),
        ({"a": 2, "b": 4}, {"x": 1, "y": 1}, "z2", {"b": 1.0}),
        ({"a": 3, "b": 3}, {"x": 1, "y": 2}, "z1", {"a": 1.0}),
        ({"a": 2, "b": 3}, {"x": 1, "y": 1}, "z1", {"a": 0.4, "b": 0.6}),
        ({"a": 3, "b": 3}, {"x": 1}, "z1", {"a": 0.5, "b": 0.5}),
    ],
)
def test_zones(upstream: dict[str, int], sources: dict[str, int], own: str, wanted: dict[str, float]) -> None:
    """The last two rows are too small a cluster, and a local cluster in one zone: plain balancing."""
    assert zone_aware(upstream, sources, own) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"routing_enabled": {"value": 0}}, {"a": 1 / 3, "b": 2 / 3}),
        ({"routing_enabled": {"value": 50}}, {"a": 0.5, "b": 0.5}),
        ({"min_cluster_size": 7}, {"a": 1 / 3, "b": 2 / 3}),
        ({"min_cluster_size": 1}, {"a": 0.6666, "b": 0.3334}),
    ],
)
def test_options(config: dict[str, object], wanted: dict[str, float]) -> None:
    assert zone_aware({"a": 2, "b": 4}, {"x": 1, "y": 1}, **config) == pytest.approx(wanted, abs=1e-4)


def test_a_zone_without_upstream_hosts_goes_where_capacity_is_left() -> None:
    """Zone 1 of the sources is the proxy's and has no upstream host; zone 2 has a source, zone 3 none."""
    proxy = make_proxy(
        cluster_json(zone("a", 3, name="z1"), zone("b", 3, name="z2")),
        cluster_json(zone("x", 1, name="z0"), zone("y", 1, name="z1"), name="me"),
        node={"id": "n", "cluster": "me", "locality": {"zone": "z0"}},
        cluster_manager={"local_cluster_name": "me"},
    )
    cluster = proxy.cluster("c")
    assert cluster is not None

    assert by_zone(shares(cluster)) == pytest.approx({"b": 1.0})


def test_force_local_zone() -> None:
    policy = {
        "policies": [
            {
                "typed_extension_config": {
                    "name": "rr",
                    "typed_config": {
                        "@type": f"{POLICIES}.round_robin.v3.RoundRobin",
                        "locality_lb_config": {"zone_aware_lb_config": {"force_local_zone": {"min_size": 2}}},
                    },
                }
            }
        ]
    }
    proxy = make_proxy(
        cluster_json(zone("a", 2, name="z1"), zone("b", 10, name="z2"), load_balancing_policy=policy),
        cluster_json(zone("x", 1, name="z1"), name="me"),
        node={"id": "n", "cluster": "me", "locality": {"zone": "z1"}},
        cluster_manager={"local_cluster_name": "me"},
    )
    cluster = proxy.cluster("c")
    assert cluster is not None

    assert by_zone(shares(cluster)) == {"a": 1.0}
