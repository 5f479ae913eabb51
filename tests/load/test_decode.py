"""Proto-JSON, in each of the spellings that real documents use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from envoysim.errors import SourceError
from envoysim.load import load
from envoysim.load.decode import decode_message
from envoysim.load.encode import to_json
from envoysim.model.outcome import Note
from envoysim.model.ref import NOWHERE
from envoysim.schema import any_type, duration_ms, message_class, pool, struct_value, to_python, unpack

CLUSTER = "envoy.config.cluster.v3.Cluster"
ROUTE = "envoy.config.route.v3.Route"
T = "type.googleapis.com/"
FIXTURES = Path(__file__).parents[2] / "fixtures"


def decode(name: str, obj: Any) -> tuple[Any, list[str]]:
    notes: list[Note] = []
    message = decode_message(name, obj, NOWHERE, notes)
    return message, [f"{note.ref}: {note.text}" for note in notes]


SAME: list[tuple[str, str, Any, Any]] = [
    ("camel case", CLUSTER, {"connectTimeout": "1s"}, {"connect_timeout": "1s"}),
    ("enum by number", CLUSTER, {"lb_policy": 3}, {"lb_policy": "RANDOM"}),
    ("enum in lower case", CLUSTER, {"lb_policy": "random"}, {"lb_policy": "RANDOM"}),
    ("wrapper as object", CLUSTER, {"max_requests_per_connection": {"value": 4}}, {"max_requests_per_connection": 4}),
    ("number as text", CLUSTER, {"max_requests_per_connection": "4"}, {"max_requests_per_connection": 4}),
    ("whole float", CLUSTER, {"max_requests_per_connection": 4.0}, {"max_requests_per_connection": 4}),
    (
        "duration as object",
        CLUSTER,
        {"connect_timeout": {"seconds": 1, "nanos": 500000000}},
        {"connect_timeout": "1.5s"},
    ),
    ("null is absent", CLUSTER, {"name": None}, {}),
    ("one for a list", CLUSTER, {"health_checks": {"timeout": "1s"}}, {"health_checks": [{"timeout": "1s"}]}),
    (
        "typed struct",
        ROUTE,
        {
            "typed_per_filter_config": {
                "x": {
                    "@type": T + "udpa.type.v1.TypedStruct",
                    "typeUrl": T + "envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
                    "value": {"disabled": True},
                }
            }
        },
        {
            "typed_per_filter_config": {
                "x": {"@type": T + "envoy.extensions.filters.http.buffer.v3.BufferPerRoute", "disabled": True}
            }
        },
    ),
]


@pytest.mark.parametrize(("case", "name", "one", "other"), SAME, ids=[c[0] for c in SAME])
def test_spellings(case: str, name: str, one: Any, other: Any) -> None:
    assert decode(name, one) == decode(name, other)
    assert decode(name, other)[1] == []


WRONG: list[tuple[Any, str]] = [
    ({"name": 1}, "/name: expected text, not a number"),
    ({"lb_policy": True}, "/lb_policy: expected an enum name, not true or false"),
    ({"connect_timeout": "soon"}, "/connect_timeout: `soon` is not a Duration"),
    ({"connect_timeout": 1}, "/connect_timeout: expected a Duration text, not a number"),
    ({"max_requests_per_connection": -1}, "/max_requests_per_connection: -1 is out of range (0 to 4294967295)"),
    ({"max_requests_per_connection": "x"}, "/max_requests_per_connection: expected a whole number, not text"),
    ({"lb_policy": 2**40}, "/lb_policy: 1099511627776 is out of range"),
    ({"circuit_breakers": []}, "/circuit_breakers: expected a CircuitBreakers object, not a list"),
    ({"health_checks": [{}, {"timeout": []}]}, "/health_checks/1/timeout: expected a Duration text, not a list"),
    ({"metadata": {"filter_metadata": {"a": 1}}}, "/metadata/filter_metadata/a: expected an object, not a number"),
    ({"metadata": {"filter_metadata": 1}}, "/metadata/filter_metadata: expected an object, not a number"),
]


@pytest.mark.parametrize(("obj", "message"), WRONG, ids=[c[1].split(":")[0] for c in WRONG])
def test_wrong_values_are_refused_with_their_place(obj: Any, message: str) -> None:
    with pytest.raises(SourceError) as error:
        decode(CLUSTER, obj)

    assert str(error.value).startswith(message)


def test_unknown_things_are_kept_and_named() -> None:
    message, notes = decode(
        ROUTE,
        {"typed_per_filter_config": {"x": {"@type": T + "acme.Filter", "level": 3, "names": ["a", None]}}, "foo": 1},
    )
    config = message.typed_per_filter_config["x"]

    assert any_type(config) == "acme.Filter"
    assert struct_value(config) == {"level": 3, "names": ["a", None]}
    assert unpack(config) is None
    assert notes == [
        "/typed_per_filter_config/x: unknown type `acme.Filter`",
        f"/foo: unknown field `foo` of {ROUTE}",
    ]


def test_well_known_types_inside_any() -> None:
    config = {"@type": T + "google.protobuf.Duration", "value": "1.5s"}
    message, notes = decode("envoy.config.core.v3.TypedExtensionConfig", {"name": "d", "typed_config": config})

    assert duration_ms(unpack(message.typed_config)) == 1500
    assert notes == []


def test_deep_nesting_is_refused() -> None:
    value: Any = 1
    for _ in range(20_000):
        value = [value]

    with pytest.raises(SourceError, match="nested too deeply"):
        decode(CLUSTER, {"metadata": {"filter_metadata": {"a": {"b": value}}}})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**52), 2**52) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab_@", max_size=3), inner, max_size=3),
    max_leaves=20,
)


@given(json_values)
def test_struct_round_trip(value: Any) -> None:
    message = decode_message("google.protobuf.Struct", {}, NOWHERE, [])
    message.fields["x"].SetInParent()
    config, _ = decode("envoy.config.core.v3.Metadata", {"filter_metadata": {"n": {"x": value}}})

    assert to_python(config.filter_metadata["n"]) == {"x": value}


def fixture_resources() -> Iterator[Any]:
    for path in sorted(FIXTURES.glob("*/config_dump.json")):
        yield from load(str(path)).all_resources


def test_encode_is_the_reverse() -> None:
    for resource in fixture_resources():
        message = resource.message()
        again, notes = decode(message.DESCRIPTOR.full_name, json.loads(json.dumps(to_json(message))))

        assert again == message
        assert notes == []


def test_agrees_with_protobufs_own_parser() -> None:
    for resource in fixture_resources():
        message = resource.message()
        plain = {key: value for key, value in resource.plain().items() if key != "@type"}
        expected = message_class(message.DESCRIPTOR.full_name)()
        json_format.ParseDict(plain, expected, descriptor_pool=pool())

        assert to_json(message) == to_json(expected)
