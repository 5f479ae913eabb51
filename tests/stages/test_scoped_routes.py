"""Scope keys from request headers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from envoysim.model.headers import HeaderMap
from envoysim.model.ref import NOWHERE
from envoysim.stages.route_configuration import ROUTES_UNKNOWN, compile_route_source
from envoysim.stages.scoped_routes import compile_fragment, compute_key

from .routing import FakeProxy, ask, decode, one_host, table

FRAGMENT = "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder"
HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
INDEX = {"name": "X-S", "element_separator": ",", "index": 1}
WHOLE = {"name": "X-S", "index": 0}
ELEMENT = {"name": "X-S", "element_separator": ";", "element": {"separator": "=", "key": "vip"}}

CASES: list[tuple[dict[str, Any], list[str], str | None]] = [
    (WHOLE, ["a"], "a"),
    (WHOLE, ["a,b"], "a,b"),
    (WHOLE, [], None),
    (WHOLE, [""], ""),
    (WHOLE, ["a", "b"], "a"),
    (INDEX, ["z,a"], "a"),
    (INDEX, ["z, a"], " a"),
    (INDEX, ["z"], None),
    (ELEMENT, ["vip=a"], "a"),
    (ELEMENT, ["x=1;vip=a;vip=b"], "a"),
    (ELEMENT, ["vip=b=c"], "b=c"),
    (ELEMENT, ["VIP=a"], None),
    (ELEMENT, ["vip"], ""),
    (ELEMENT, ["vip="], ""),
    (ELEMENT, [" vip=a"], None),
]


@pytest.mark.parametrize(("extractor", "values", "expected"), CASES)
def test_fragments(extractor: dict[str, Any], values: list[str], expected: str | None) -> None:
    fragment = compile_fragment(decode(FRAGMENT, {"header_value_extractor": extractor}))

    key = compute_key([fragment], HeaderMap([("x-s", value) for value in values]))

    assert key == (None if expected is None else (expected,))


def scope(name: str, key: str) -> dict[str, Any]:
    return {"name": name, "route_configuration_name": name, "key": {"fragments": [{"string_key": key}]}}


@pytest.mark.parametrize(("value", "expected"), [("a", "one"), ("", "two"), ("b", None), (None, None), ("z", None)])
def test_the_scope_with_the_key_gives_the_table(value: str | None, expected: str | None) -> None:
    """A missing key, an unknown one, and a scope whose table is not there: no routes."""
    proxy: Any = FakeProxy(dump=SimpleNamespace(scoped_routes={}))
    proxy.tables = {name: table({**one_host(), "name": name}, proxy) for name in ("one", "two")}
    scoped = {
        "name": "s",
        "scope_key_builder": {"fragments": [{"header_value_extractor": WHOLE}]},
        "scoped_route_configurations_list": {
            "scoped_route_configurations": [scope("one", "a"), scope("two", ""), scope("gone", "z")]
        },
    }
    source = compile_route_source(decode(HCM, {"scoped_routes": scoped}), NOWHERE, proxy)
    headers = {} if value is None else {"x-s": value}
    stream = ask(table(one_host()), headers=headers, resolve=False)

    found = source.resolve(stream)

    assert (found.name if found is not None else None) == expected


@pytest.mark.parametrize(("others", "noted"), [({"other": object()}, True), ({}, False)])
def test_a_route_configuration_that_is_not_in_the_dump(others: dict[str, object], noted: bool) -> None:
    """Envoy has not received it, if the dump has others; without any, the answer is unknown."""
    proxy: Any = FakeProxy(dump=SimpleNamespace(route_configurations=others))
    source = compile_route_source(decode(HCM, {"rds": {"route_config_name": "gone"}}), NOWHERE, proxy)
    stream = ask(table(one_host()), resolve=False)

    assert source.resolve(stream) is None
    assert any("`gone` is not in the dump" in note.text for note in stream.telling.notes) is noted
    assert (ROUTES_UNKNOWN in stream.facts) is not noted
