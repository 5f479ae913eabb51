"""Exact shadowing agrees with brute force, and every example reaches its route in the simulation."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from envoysim.checks.host_reach import host_reaches
from envoysim.checks.reach import Paths, Reachability
from envoysim.checks.route_condition import condition
from envoysim.checks.subject import Subject
from envoysim.load.decode import decode_message
from envoysim.model.headers import HeaderMap
from envoysim.model.ref import NOWHERE
from envoysim.simulate import simulate
from envoysim.stages.proxy import Proxy
from envoysim.stages.route_match import RouteMatch, compile_route_match
from envoysim.stages.runtime import Runtime

from .healthy import Json, fixture, healthy, loaded

PATHS = ["/" + "".join(p) for n in range(4) for p in itertools.product("ab/", repeat=n)]
VALUES = ["", "a", "b", "ab", "ba", "A", "c", "bb"]
SEVERAL = [(), *((v,) for v in VALUES), *itertools.combinations(VALUES, 2)]


def string(rng: random.Random) -> Json:
    kind = rng.choice(["exact", "prefix", "suffix", "contains", "safe_regex"])
    if kind == "safe_regex":
        return {"safe_regex": {"regex": rng.choice(["a*", "[ab]", "(a|b)b?", ".*b", ".+", "a.*|b.*"])}}
    return {kind: rng.choice(["a", "b", "ab"]), "ignore_case": rng.random() < 0.3}


def path(rng: random.Random) -> Json:
    kind = rng.choice(["prefix", "path", "path_separated_prefix", "safe_regex"])
    if kind == "safe_regex":
        patterns = ["/.*", "/a.*", "/(a|b)", "/[^/]*", "/a/.*", "/.*/b", "/(a|b)(/.*)?"]
        return {kind: {"regex": rng.choice(patterns)}}
    texts = ["/a", "/b", "/a/b"] if kind == "path_separated_prefix" else ["/", "/a", "/b", "/a/", "/ab", "/a/b"]
    return {kind: rng.choice(texts), "case_sensitive": rng.random() < 0.8}


def header(rng: random.Random) -> Json:
    made: Json = {"name": rng.choice(["x", "user-agent", ":method"])}
    made.update(invert_match=rng.random() < 0.3, treat_missing_header_as_empty=rng.random() < 0.3)
    if made["name"] == ":method":
        made["string_match"] = {"exact": rng.choice(["GET", "PUT"])}
    elif rng.random() < 0.25:
        made["present_match"] = rng.random() < 0.6
    else:
        made["string_match"] = string(rng)
    return made


def match(rng: random.Random) -> Json:
    made: Json = path(rng) if rng.random() < 0.8 else {"prefix": "/"}
    if rng.random() < 0.6:
        made["headers"] = [header(rng) for _ in range(rng.choice([1, 1, 2]))]
    if rng.random() < 0.3:
        asked: Json = {"string_match": string(rng)} if rng.random() < 0.5 else {"present_match": rng.random() < 0.6}
        made["query_parameters"] = [{"name": "q", **asked}]
    return made


def table(rng: random.Random) -> list[Json]:
    return [match(rng) for _ in range(rng.choice([2, 3, 4, 5]))]


def requests(matches: list[RouteMatch]) -> Iterator[tuple[str, HeaderMap, dict[str, str]]]:
    """Every request over the small alphabet that differs in what some route reads."""
    names = {h.name for m in matches for h in m.headers}
    queries: list[dict[str, str]] = [{}]
    if any(m.query_parameters for m in matches):
        queries += [{"q": v} for v in VALUES]
    several = SEVERAL if "x" in names else [()]
    agents = [(), *((v,) for v in VALUES)] if "user-agent" in names else [()]
    methods = ["GET", "PUT", "X"] if ":method" in names else ["GET"]
    for where in PATHS:
        for x, agent, method, query in itertools.product(several, agents, methods, queries):
            lines = [(":method", method), *(("x", v) for v in x), *(("user-agent", v) for v in agent)]
            yield where, HeaderMap(lines), query


def takes(wanted: RouteMatch, where: str, headers: HeaderMap, query: dict[str, str]) -> bool:
    return (
        wanted.path.matches(where)
        and all(h.matches(headers) for h in wanted.headers)
        and all(q.matches(query) for q in wanted.query_parameters)
    )


@pytest.mark.parametrize("seed", range(4))
def test_shadowing_agrees_with_brute_force(seed: int) -> None:
    """Over random small tables; what is called reachable is shown by its example."""
    assert shadowed_tables(random.Random(seed), 25)


@pytest.mark.slow
def test_shadowing_agrees_with_brute_force_over_thousands_of_tables() -> None:
    """New ones each time; ENVOYSIM_SEED repeats a run."""
    seed = int(os.environ.get("ENVOYSIM_SEED") or random.SystemRandom().randrange(1_000_000))
    print(f"ENVOYSIM_SEED={seed}")

    assert shadowed_tables(random.Random(seed), 2_000) > 200


def shadowed_tables(rng: random.Random, tables: int) -> int:
    """Compare the last route of random tables with brute force; return how many were shadowed."""
    shadowed = 0
    for _ in range(tables):
        messages = [decode_message("envoy.config.route.v3.RouteMatch", m, NOWHERE, []) for m in table(rng)]
        matches = [compile_route_match(m, NOWHERE) for m in messages]
        last = len(matches) - 1
        reach = Reachability([condition(m, Runtime({})) for m in messages]).decide(last)
        assert not reach.undecided
        if reach.shadowed:
            shadowed += 1
            for request in requests(matches):
                if takes(matches[last], *request):
                    assert any(takes(m, *request) for m in matches[:last]), (request, messages)
        else:
            request = asked(reach.example or {})
            assert takes(matches[last], *request), messages
            assert not any(takes(m, *request) for m in matches[:last]), messages
    return shadowed


def asked(values: dict[str, Any]) -> tuple[str, HeaderMap, dict[str, str]]:
    lines = []
    for dimension, value in values.items():
        kind, _, name = dimension.partition(" ")
        if kind == "header" and value is not None:
            lines += [(name, v) for v in ((value,) if isinstance(value, str) else value)]
    query = {"q": values["query q"]} if values.get("query q") is not None else {}
    return values[":path"], HeaderMap(lines), query


@pytest.mark.parametrize("seed", range(10))
def test_the_example_of_a_reachable_route_reaches_it(seed: int) -> None:
    """Played through the whole proxy: listener, codec, connection manager."""
    rng = random.Random(100 + seed)
    document = healthy()
    host = document["configs"][3]["dynamic_route_configs"][0]["route_config"]["virtual_hosts"][0]
    host["routes"] = [{"match": m, "direct_response": {"status": 200 + i}} for i, m in enumerate(table(rng))]
    dump = loaded(document)
    subject = Subject(dump)
    first = host_reaches(subject)[0]
    proxy = Proxy(dump)
    shown = 0
    for i, route in enumerate(first.routes):
        example = first.reachability.decide(i).example
        witness = first.witness(example, *range(i + 1)) if example is not None else None
        if witness is not None:
            shown += 1
            assert simulate(proxy, witness.request).outcome.route_ref == route.ref, witness.command

    assert shown


@pytest.mark.parametrize("name", ["edge", "sidecar", "ingress"])
def test_the_examples_of_real_routes_reach_them(name: str) -> None:
    """Of every route that can be reached in the dumps of the real Envoy, less what a TLS redirect takes before."""
    subject = Subject(loaded(fixture(name)))
    shown = 0
    for host in host_reaches(subject):
        for i, route in enumerate(host.routes):
            example = host.reachability.decide(i).example
            witness = host.witness(example, *range(i + 1)) if example is not None else None
            if witness is not None and not host.host.msg.require_tls:
                shown += 1
                assert simulate(subject.proxy, witness.request).outcome.route_ref == route.ref, witness.command

    assert shown


@pytest.mark.parametrize(
    ("matches", "blockers"),
    [
        ([{"path": "/a"}, {"path": "/b"}, {"safe_regex": {"regex": "/(a|b)"}}], (0, 1)),
        ([{"prefix": "/"}, {"prefix": "/api"}], (0,)),
        ([{"prefix": "/x"}, {"prefix": "/api"}, {"prefix": "/api/v1"}], (1,)),
        ([{"path_separated_prefix": "/a"}, {"prefix": "/a/"}], (0,)),
        ([{"prefix": "/A", "case_sensitive": False}, {"path": "/abc"}], (0,)),
        ([{"prefix": "/", "headers": [{"name": "x"}]},
          {"prefix": "/", "headers": [{"name": "x", "present_match": False}]}, {"prefix": "/z"}], (0, 1)),
        ([{"prefix": "/", "headers": [{"name": ":path", "string_match": {"prefix": "/a"}}]}, {"prefix": "/ab"}], (0,)),
        ([{"prefix": "/", "runtime_fraction": {"default_value": {"numerator": 50}}},
          {"prefix": "/", "runtime_fraction": {"default_value": {"numerator": 30}}}], (0,)),
        ([{"prefix": "/", "headers": [{"name": "n", "range_match": {"start": "0", "end": "10"}}]},
          {"prefix": "/", "headers": [{"name": "n", "string_match": {"exact": "7"}}]}], (0,)),
        ([{"prefix": "/", "headers": [{"name": "n", "range_match": {"start": "0", "end": "10"}}]},
          {"prefix": "/", "headers": [{"name": "n", "string_match": {"exact": "70"}}]}], ()),
        ([{"prefix": "/", "grpc": {}}, {"prefix": "/", "headers":
          [{"name": "content-type", "string_match": {"exact": "application/grpc+proto"}}]}], (0,)),
    ],
)  # fmt: skip
def test_worked_examples(matches: list[Json], blockers: tuple[int, ...]) -> None:
    messages = [decode_message("envoy.config.route.v3.RouteMatch", m, NOWHERE, []) for m in matches]
    whole = any(h.name == ":path" for m in messages for h in m.headers)
    conditions = [condition(m, Runtime({}), whole_path=whole) for m in messages]
    reach = Reachability(conditions, Paths(whole=whole)).decide(len(messages) - 1)

    assert reach.blockers == blockers
    assert reach.shadowed == bool(blockers)


def test_what_a_filter_decides_is_not_decided() -> None:
    """Dynamic metadata may hold or not."""
    metadata = {"filter": "f", "path": [{"key": "k"}], "value": {"bool_match": True}}
    matches = [{"prefix": "/", "dynamic_metadata": [metadata]}, {"prefix": "/a"}]
    messages = [decode_message("envoy.config.route.v3.RouteMatch", m, NOWHERE, []) for m in matches]
    reach = Reachability([condition(m, Runtime({})) for m in messages]).decide(1)

    assert "dynamic_metadata" in reach.undecided
