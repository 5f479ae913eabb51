"""Subsets, their selectors and their fallbacks."""

from __future__ import annotations

from typing import Any

import pytest

from .balancing import Json, endpoint, group, make_cluster, shares

HOSTS = group(
    endpoint("a1", lb={"v": "1", "stage": "prod"}),
    endpoint("a2", lb={"v": "2", "stage": "prod"}),
    endpoint("a3", lb={"v": "2", "stage": "dev", "n": 1, "tags": ["x", "y"]}),
    endpoint("a4"),
)
V, VS = {"keys": ["v"]}, {"keys": ["stage", "v"]}
ALL = {"a1": 0.25, "a2": 0.25, "a3": 0.25, "a4": 0.25}
NONE = {"-": 1.0}
DEFAULT = {"fallback_policy": "DEFAULT_SUBSET", "default_subset": {"stage": "dev"}}

# lb_subset_config, criteria, shares
CASES: list[tuple[Json, Any, dict[str, float]]] = [
    ({"subset_selectors": [V]}, {"v": "1"}, {"a1": 1.0}),
    ({"subset_selectors": [V]}, {"v": "2"}, {"a2": 0.5, "a3": 0.5}),
    ({"subset_selectors": [V]}, {"v": "3"}, NONE),
    ({"subset_selectors": [V]}, None, NONE),
    ({"subset_selectors": [V]}, {"v": "1", "stage": "prod"}, NONE),
    ({"subset_selectors": [VS]}, {"v": "2", "stage": "prod"}, {"a2": 1.0}),
    ({"subset_selectors": [VS]}, {"v": "2"}, NONE),
    ({"subset_selectors": [{"keys": ["n"]}]}, {"n": 1}, {"a3": 1.0}),
    ({"subset_selectors": [{"keys": ["n"]}]}, {"n": "1"}, NONE),
    ({"subset_selectors": [{"keys": ["n"]}]}, {"n": True}, NONE),
    ({"subset_selectors": [V], "fallback_policy": "ANY_ENDPOINT"}, {"v": "3"}, ALL),
    ({"subset_selectors": [V], "fallback_policy": "ANY_ENDPOINT"}, None, ALL),
    ({"subset_selectors": [V], **DEFAULT}, {"v": "3"}, {"a3": 1.0}),
    ({"subset_selectors": [V], **DEFAULT, "default_subset": {"stage": "none"}}, {"v": "3"}, NONE),
    (
        {"subset_selectors": [V], **DEFAULT, "default_subset": {"stage": "none"}, "panic_mode_any": True},
        {"v": "3"},
        ALL,
    ),
    ({"subset_selectors": [V], "panic_mode_any": True}, {"v": "3"}, NONE),
    ({"subset_selectors": [{**V, "fallback_policy": "ANY_ENDPOINT"}]}, {"v": "3"}, ALL),
    ({"subset_selectors": [{**V, "fallback_policy": "ANY_ENDPOINT"}]}, {"stage": "x"}, NONE),
    (
        {"subset_selectors": [{**V, "fallback_policy": "NO_FALLBACK"}], "fallback_policy": "ANY_ENDPOINT"},
        {"v": "3"},
        NONE,
    ),
    (
        {"subset_selectors": [V, {**VS, "fallback_policy": "KEYS_SUBSET", "fallback_keys_subset": ["v"]}]},
        {"v": "1", "stage": "dev"},
        {"a1": 1.0},
    ),
    (  # no selector has those keys: the cluster's fallback counts
        {
            "subset_selectors": [{**VS, "fallback_policy": "KEYS_SUBSET", "fallback_keys_subset": ["v"]}],
            **DEFAULT,
        },
        {"v": "1", "stage": "dev"},
        {"a3": 1.0},
    ),
    (  # the longer selector made the node of the shorter one, whose own fallback is lost
        {"subset_selectors": [{"keys": ["a", "b"]}, {"keys": ["a"], "fallback_policy": "ANY_ENDPOINT"}]},
        {"a": "x"},
        NONE,
    ),
    (
        {"subset_selectors": [{"keys": ["a"], "fallback_policy": "ANY_ENDPOINT"}, {"keys": ["a", "b"]}]},
        {"a": "x"},
        ALL,
    ),
    ({"subset_selectors": [{"keys": ["tags"]}], "list_as_any": True}, {"tags": "y"}, {"a3": 1.0}),
    ({"subset_selectors": [{"keys": ["tags"]}]}, {"tags": "y"}, NONE),
    ({"subset_selectors": [{"keys": ["tags"]}]}, {"tags": ["x", "y"]}, {"a3": 1.0}),
    ({"subset_selectors": [{**V, "single_host_per_subset": True}]}, {"v": "2"}, {"a2": 1.0}),
    (
        {"subset_selectors": [V], "metadata_fallback_policy": "FALLBACK_LIST"},
        {"fallback_list": [{"v": "3"}, {"v": "1"}]},
        {"a1": 1.0},
    ),
    (
        {"subset_selectors": [VS], "metadata_fallback_policy": "FALLBACK_LIST"},
        {"stage": "dev", "fallback_list": [{"v": "1"}, {"v": "2"}]},
        {"a3": 1.0},
    ),
    ({"subset_selectors": [], "fallback_policy": "NO_FALLBACK"}, {"v": "3"}, ALL),
]


@pytest.mark.parametrize(("config", "criteria", "wanted"), CASES)
def test_subsets(config: Json, criteria: Any, wanted: dict[str, float]) -> None:
    cluster = make_cluster(HOSTS, lb_subset_config=config)

    assert shares(cluster, metadata_match=criteria) == wanted


@pytest.mark.parametrize(("threshold", "wanted"), [(50, {"a1": 1.0}), (0, NONE)])
def test_a_subset_without_healthy_hosts_is_still_the_subset(threshold: int, wanted: dict[str, float]) -> None:
    cluster = make_cluster(
        group(endpoint("a1", "UNHEALTHY", lb={"v": "1"}), endpoint("a2", lb={"v": "2"})),
        lb_subset_config={"subset_selectors": [V], "fallback_policy": "ANY_ENDPOINT"},
        common_lb_config={"healthy_panic_threshold": {"value": threshold}},
    )

    assert shares(cluster, metadata_match={"v": "1"}) == wanted


LOCALITIES = (
    group(*(endpoint(f"a{i}", lb={"v": "1"}) for i in range(1, 5)), zone="z1", weight=40),
    group(endpoint("b1", lb={"v": "1"}), endpoint("b2", lb={"v": "2"}), zone="z2", weight=40),
)


@pytest.mark.parametrize(
    ("config", "zone_two"),
    [
        ({}, 0.2),
        ({"locality_weight_aware": True}, 0.5),
        ({"locality_weight_aware": True, "scale_locality_weight": True}, 1 / 3),
    ],
)
def test_locality_weights_in_subsets(config: Json, zone_two: float) -> None:
    cluster = make_cluster(
        *LOCALITIES,
        lb_subset_config={"subset_selectors": [V], **config},
        common_lb_config={"locality_weighted_lb_config": {}},
    )

    assert shares(cluster, metadata_match={"v": "1"})["b1"] == pytest.approx(zone_two, abs=1e-6)
