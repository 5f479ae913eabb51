"""What is asked for follows from what came, without any network."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from envoysim.fetch.holdings import Came, Holdings
from envoysim.fetch.kinds import BY_KIND
from envoysim.fetch.node import make_node
from envoysim.fetch.variants import Delta, StateOfTheWorld
from envoysim.schema import new

from .control_plane import TYPES, URL, packed
from .mesh import PATIENT, eds, listener, rds, scope, scoped

KIND = {"clusters": "cluster", "listeners": "listener", "routes": "route_configuration", "endpoints": "endpoint"} | {
    "scoped_routes": "scoped_route"
}


def take(holdings: Holdings, kind: str, *resources: dict[str, Any], whole: bool = True, removed: Any = ()) -> list[str]:
    came = [Came("", "1", URL + TYPES[kind], packed(kind, r).value) for r in resources]
    return holdings.take(BY_KIND[KIND[kind]], came, removed, version="1", whole=whole)


def asked(holdings: Holdings) -> dict[str, set[str]]:
    return {kind: set(names) for kind, names in holdings.wanted.items()}


WILD = {"cluster": {"*"}, "listener": {"*"}}


def test_names_are_followed() -> None:
    holdings = Holdings()
    assert asked(holdings) == WILD
    take(holdings, "clusters", eds("a"), eds("b", "b.service"), {"name": "c", "type": "STATIC"})
    assert asked(holdings) == {**WILD, "endpoint": {"a", "b.service"}}
    take(holdings, "listeners", listener("l", 1, **rds("r")), listener("s", 2, **scoped("s")))
    assert asked(holdings) == {
        **WILD,
        "endpoint": {"a", "b.service"},
        "route_configuration": {"r"},
        "scoped_route": {"*"},
    }
    take(holdings, "scoped_routes", scope("x", "tenant", "k"), {**scope("y", "later", "l"), "on_demand": True})
    assert asked(holdings)["route_configuration"] == {"r", "tenant"}
    take(holdings, "clusters")
    assert "endpoint" not in asked(holdings)


def test_complete_when_all_that_was_named_came() -> None:
    holdings = Holdings()
    take(holdings, "clusters", eds("a"))
    assert not holdings.complete()
    take(holdings, "listeners", whole=False)
    assert not holdings.complete()
    take(holdings, "endpoints", {"cluster_name": "a"}, whole=False)
    assert holdings.complete()
    take(holdings, "endpoints", whole=False, removed=["a"])
    assert [(kind, name) for kind, name, _ in holdings.missing()] == [("endpoint", "a")]
    assert holdings.complete()  # the server said so: waiting does not help


def test_a_rejected_update_leaves_the_old_one() -> None:
    holdings = Holdings()
    take(holdings, "clusters", eds("a"))
    bad = Came("a", "2", URL + TYPES["clusters"], b"\xff")

    problems = holdings.take(BY_KIND["cluster"], [bad], (), version="2", whole=True)

    assert problems == ["a: it does not decode as `envoy.config.cluster.v3.Cluster`"]
    assert holdings.held["cluster"]["a"].version == "1"
    assert holdings.versions["cluster"] == "1"


def test_waits_for_ever_only_where_there_is_no_timeout() -> None:
    holdings = Holdings()
    take(holdings, "clusters", eds("a"), eds("b", source=PATIENT))

    assert [held.name for held in holdings.serving("cluster") if holdings.waits(held)] == ["b"]


def test_resources_may_be_wrapped() -> None:
    """``xds.config.resource-in-sotw``: the wrapper has name and version."""
    wrapper = new("envoy.service.discovery.v3.Resource")
    wrapper.name, wrapper.version = "a", "7"
    wrapper.resource.CopyFrom(packed("clusters", eds("a")))
    came = Came("", "", URL + "envoy.service.discovery.v3.Resource", wrapper.SerializeToString())
    holdings = Holdings()

    assert holdings.take(BY_KIND["cluster"], [came], (), version="1", whole=True) == []
    assert holdings.held["cluster"]["a"].version == "7"


NAMES = st.lists(st.sampled_from("abcdef"), unique=True)


@given(st.lists(NAMES, max_size=6))
def test_both_variants_ask_for_the_same(steps: list[list[str]]) -> None:
    """However the clusters change, what each variant has asked for in the end is what is wanted."""
    holdings = Holdings()
    node = make_node("n")
    whole, delta = StateOfTheWorld(node, holdings), Delta(node, holdings)
    said: set[str] = set()
    subscribed: set[str] = set()
    for names in steps:
        take(holdings, "clusters", *map(eds, names))
        wanted = frozenset(holdings.wanted.get("endpoint", {}))
        if not wanted:
            continue
        if (request := whole.ask(BY_KIND["endpoint"], wanted)) is not None:
            said = set(request.resource_names)
        if (request := delta.ask(BY_KIND["endpoint"], wanted)) is not None:
            subscribed |= set(request.resource_names_subscribe)
            subscribed -= set(request.resource_names_unsubscribe)
        assert said == subscribed == wanted
