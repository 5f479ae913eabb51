"""Matcher trees decide, and backtrack, as the real Envoy's do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from envoysim.model.address import Address
from envoysim.model.ref import NOWHERE, Ref
from envoysim.stages.matcher_inputs import HTTP_INPUTS, NETWORK_INPUTS
from envoysim.stages.matcher_tree import Found, MatcherTree, compile_matcher_tree
from envoysim.stages.stream import DownstreamConnection, Stream

from .routing import ask, decode, name_of, one_host, table

TYPES = "type.googleapis.com/"
NETWORK = "envoy.extensions.matching.common_inputs.network.v3."


def extension(kind: str, **fields: Any) -> dict[str, Any]:
    return {"name": "x", "typed_config": {"@type": TYPES + kind, **fields}}


def header(name: str) -> dict[str, Any]:
    return extension("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=name)


def act(name: str) -> dict[str, Any]:
    return {"action": extension("google.protobuf.StringValue", value=name)}


def nest(tree: dict[str, Any]) -> dict[str, Any]:
    return {"matcher": tree}


def when(name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"single_predicate": {"input": header(name), "value_match": value}}


def either(*entries: tuple[dict[str, Any], dict[str, Any]], otherwise: dict[str, Any] | None = None) -> dict[str, Any]:
    tree: dict[str, Any] = {"matcher_list": {"matchers": [{"predicate": p, "on_match": m} for p, m in entries]}}
    return {**tree, "on_no_match": otherwise} if otherwise else tree


def mapped(
    kind: str, entries: dict[str, Any], otherwise: dict[str, Any] | None = None, given: dict[str, Any] | None = None
) -> dict[str, Any]:
    tree: dict[str, Any] = {"matcher_tree": {"input": given or header("x-a"), kind: {"map": entries}}}
    return {**tree, "on_no_match": otherwise} if otherwise else tree


def value_of(config: Any, ref: Ref) -> str:
    message: str = config.typed_config.value[2:].decode()
    return message


def compiled(fields: dict[str, Any], inputs: Any = HTTP_INPUTS) -> MatcherTree[str]:
    return compile_matcher_tree(decode("xds.type.matcher.v3.Matcher", fields), NOWHERE, inputs, value_of)


def decide(tree: MatcherTree[str], data: Any) -> str | None:
    found = tree.match(data)
    return found.action if found is not None else None


def stream(*headers: tuple[str, str], path: str = "/") -> Stream:
    return ask(table(one_host()), path, headers=list(headers), resolve=False)


A, EMPTY = {"exact": "a"}, {"exact": ""}
NO_RESULT = nest(either((when("x-none", A), act("never"))))

TREES: list[tuple[dict[str, Any], list[tuple[str, str]], str | None]] = [
    (either((when("x-a", A), act("1"))), [("x-a", "a")], "1"),
    (either((when("x-a", A), act("1"))), [("x-a", "b")], None),
    (either((when("x-a", A), act("1")), otherwise=act("2")), [], "2"),
    # A header sent twice is joined here.
    (either((when("x-a", {"exact": "a,b"}), act("1"))), [("x-a", "a"), ("x-a", "b")], "1"),
    # Missing is not empty; not of anything matches.
    (either((when("x-a", EMPTY), act("1"))), [], None),
    (either(({"not_matcher": when("x-a", A)}, act("1"))), [], "1"),
    (either(({"and_matcher": {"predicate": [when("x-a", A), when("x-b", A)]}}, act("1"))), [("x-a", "a")], None),
    (either(({"or_matcher": {"predicate": [when("x-a", A), when("x-b", A)]}}, act("1"))), [("x-b", "a")], "1"),
    # A nested tree without a result: the list goes on.
    (either((when("x-a", A), NO_RESULT), (when("x-a", A), act("2"))), [("x-a", "a")], "2"),
    # Exact map.
    (mapped("exact_match_map", {"a": act("1")}, act("2")), [("x-a", "a")], "1"),
    (mapped("exact_match_map", {"a": act("1")}, act("2")), [("x-a", "b")], "2"),
    (mapped("exact_match_map", {"a": NO_RESULT}, act("2")), [("x-a", "a")], "2"),
    # Prefix map: the longest, then shorter ones.
    (mapped("prefix_match_map", {"a": act("1"), "ab": act("2")}), [("x-a", "abc")], "2"),
    (mapped("prefix_match_map", {"a": act("1"), "ab": NO_RESULT}), [("x-a", "abc")], "1"),
    (mapped("prefix_match_map", {"b": act("1")}, act("2")), [("x-a", "abc")], "2"),
    (mapped("prefix_match_map", {"": act("1")}, act("2")), [], "2"),
]


@pytest.mark.parametrize(("fields", "headers", "expected"), TREES)
def test_trees(fields: dict[str, Any], headers: list[tuple[str, str]], expected: str | None) -> None:
    assert decide(compiled(fields), stream(*headers)) == expected


def custom(kind: str, **fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda given: {"matcher_tree": {"input": given, "custom_match": extension(kind, **fields)}}


def address_range(prefix: str, length: int, on_match: dict[str, Any], exclusive: bool = False) -> dict[str, Any]:
    ranges = [{"address_prefix": prefix, "prefix_len": length}]
    return {"ranges": ranges, "on_match": on_match, "exclusive": exclusive}


IP = "xds.type.matcher.v3.IPMatcher"
WIDE, NARROW = ("10.0.0.0", 8), ("10.1.0.0", 16)


@pytest.mark.parametrize(
    ("ranges", "value", "expected"),
    [
        ([address_range(*WIDE, act("w")), address_range(*NARROW, act("n"))], "10.1.2.3", "n"),
        ([address_range(*WIDE, act("w")), address_range(*NARROW, NO_RESULT)], "10.1.2.3", "w"),
        ([address_range(*WIDE, act("w"), True), address_range(*NARROW, NO_RESULT)], "10.1.2.3", "no"),
        ([address_range(*WIDE, act("w"))], "11.0.0.1", "no"),
        ([address_range(*WIDE, act("w"))], "nonsense", "no"),
    ],
)
def test_ip_tree(ranges: list[dict[str, Any]], value: str, expected: str) -> None:
    fields = {**custom(IP, range_matchers=ranges)(header("x-a")), "on_no_match": act("no")}

    assert decide(compiled(fields), stream(("x-a", value))) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a.b.com", "exact"), ("x.b.com", "b"), ("x.y.b.com", "y"), ("z.com", "all"), ("A.b.com", "b"), ("", "no")],
)
def test_server_name_tree(value: str, expected: str) -> None:
    """Exact, then the longest wildcard, then `*`; a subtree without result goes on to the next wider entry."""
    domains = [
        {"domains": ["a.b.com"], "on_match": act("exact")},
        {"domains": ["*.b.com"], "on_match": act("b")},
        {"domains": ["*.y.b.com"], "on_match": nest(either((when("x-a", {"prefix": "x.y"}), act("y"))))},
        {"domains": ["*"], "on_match": act("all")},
    ]
    tree = custom("xds.type.matcher.v3.ServerNameMatcher", domain_matchers=domains)(header("x-a"))

    assert decide(compiled({**tree, "on_no_match": act("no")}), stream(("x-a", value))) == expected


def test_keep_matching_records_and_goes_on() -> None:
    tree = compiled(either((when("x-a", A), {**act("1"), "keep_matching": True}), (when("x-a", A), act("2"))))
    skipped: list[Found[str]] = []

    found = tree.match(stream(("x-a", "a")), skipped)

    assert found is not None
    assert found.action == "2"
    assert [s.action for s in skipped] == ["1"]


def connection(**fields: Any) -> DownstreamConnection:
    listener: Any = None
    local, remote = Address("10.0.0.1", 443), Address("192.168.1.2", 5000)
    return DownstreamConnection(listener, local, remote, local, remote, "HTTP/1.1", **fields)


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("DestinationIPInput", {}, "10.0.0.1"),
        ("DestinationPortInput", {}, "443"),
        ("SourceIPInput", {}, "192.168.1.2"),
        ("SourcePortInput", {}, "5000"),
        ("DirectSourceIPInput", {}, "192.168.1.2"),
        ("SourceTypeInput", {}, None),
        ("ServerNameInput", {"server_name": "a.com"}, "a.com"),
        ("ServerNameInput", {}, None),
        ("TransportProtocolInput", {}, "raw_buffer"),
        ("ApplicationProtocolInput", {"application_protocols": ("h2", "http/1.1")}, "'h2','http/1.1'"),
        ("ApplicationProtocolInput", {}, None),
    ],
)
def test_connection_inputs(kind: str, fields: dict[str, Any], expected: str | None) -> None:
    given = extension(NETWORK + kind)
    entries = {expected: act("it")} if expected is not None else {"": act("it")}
    tree = compiled(mapped("exact_match_map", entries, act("other"), given), NETWORK_INPUTS)

    assert decide(tree, connection(**fields)) == ("it" if expected is not None else "other")


def test_what_is_not_modelled_is_noted() -> None:
    given = extension("envoy.extensions.matching.common_inputs.environment_variable.v3.Config")
    tree = compiled(mapped("exact_match_map", {"a": act("1")}, act("2"), given))

    assert decide(tree, stream()) == "2"
    assert "is not modelled" in tree.notes[0][1]


def test_losing_branches_are_explained() -> None:
    tree = compiled(either((when("x-a", A), act("1"))))

    assert [(str(ref), reason) for ref, reason in tree.explain(stream(("x-a", "b")))] == [
        ("/matcher_list/matchers/0", "HttpRequestHeaderMatchInput wants exact `a`, is `b`")
    ]


def route(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "match": {"path": path}, "direct_response": {"status": 200}}


ROUTE, ROUTE_LIST = "envoy.config.route.v3.Route", "envoy.config.route.v3.RouteList"


@pytest.mark.parametrize(
    ("value", "path", "expected"),
    [("one", "/1", "r1"), ("one", "/2", None), ("many", "/3", "r3"), ("many", "/1", None), ("none", "/1", None)],
)
def test_virtual_host_matcher(value: str, path: str, expected: str | None) -> None:
    """The action's own match still counts, and there is no way back from it."""
    one = {"action": extension(ROUTE, **route("r1", "/1"))}
    many = {"action": extension(ROUTE_LIST, routes=[route("r2", "/2"), route("r3", "/3")])}
    matcher = mapped("exact_match_map", {"one": one, "many": many})
    configuration = table({"name": "rc", "virtual_hosts": [{"name": "v", "domains": ["*"], "matcher": matcher}]})

    assert name_of(ask(configuration, path, headers={"x-a": value})) == expected
