"""Which host each of 60 consecutive requests reaches, policy by policy.

Where Envoy draws a number that nobody sees (the first turn of a round), the simulation may take any of its ways, once.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from ..build import TYPE, Behaviour, Bench, Json, route
from ..generate import Case
from .findings import Findings
from .quick import differing_subjects, observe

REQUESTS = 60
POLICY = TYPE + "envoy.extensions.load_balancing_policies."
PREVIOUS_HOSTS = TYPE + "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
RETRY: Json = {
    "retry_on": "5xx",
    "num_retries": 2,
    "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"},
}
RETRY_ELSEWHERE: Json = {
    **RETRY,
    "retry_host_predicate": [{"name": "previous", "typed_config": {"@type": PREVIOUS_HOSTS}}],
    "host_selection_retry_max_attempts": 3,
}
HASH_POLICIES: tuple[Json, ...] = (
    {"header": {"header_name": "x-k"}},
    {"header": {"header_name": "x-k", "regex_rewrite": {"pattern": {"regex": "[0-4]"}, "substitution": "n"}}},
    {"cookie": {"name": "k"}},
    {"query_parameter": {"name": "q"}},
    {"connection_properties": {"source_ip": True}},
    {"filter_state": {"key": "nothing.of.this.name"}},
)
HASHING: tuple[Json, ...] = (
    {"lb_policy": "RING_HASH"},
    {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 16, "hash_function": "MURMUR_HASH_2"}},
    {"lb_policy": "MAGLEV"},
    {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 101}},
)
SUBSETS: Json = {
    "subset_selectors": [{"keys": ["v"]}, {"keys": ["v", "s"], "fallback_policy": "ANY_ENDPOINT"}],
    "fallback_policy": "DEFAULT_SUBSET",
    "default_subset": {"s": "p"},
}
CRITERIA: tuple[Json, ...] = ({"v": "1"}, {"v": "9"}, {"v": "2", "s": "q"})


def typed(kind: str, config: Json | None = None) -> Json:
    """Return the newer form: a ``load_balancing_policy`` of one policy."""
    typed_config = {"@type": POLICY + kind, **(config or {})}
    return {
        "load_balancing_policy": {
            "policies": [{"typed_extension_config": {"name": kind, "typed_config": typed_config}}]
        }
    }


@dataclass(frozen=True, slots=True)
class Subject:
    """A cluster and the route to it; ``shape`` is (priority, locality weight, hosts) of every locality."""

    name: str
    cluster: Json
    shape: tuple[tuple[int, int, int], ...] = ((0, 0, 4),)
    weighted: bool = True
    sick: float = 0.0
    action: Json = field(default_factory=dict)
    fails: bool = False
    """Every seventh request meets a 503 first and is retried."""


LOCALITIES = ((0, 2, 2), (0, 3, 3), (0, 1, 1))
PRIORITIES = ((0, 1, 2), (0, 2, 2), (1, 1, 3))
BY_LOCALITY: Json = {"common_lb_config": {"locality_weighted_lb_config": {}}}
TYPED_BY_LOCALITY: Json = {"locality_lb_config": {"locality_weighted_lb_config": {}}}


def _balanced(policy: Json) -> Json:
    return {**policy, "common_lb_config": {"consistent_hashing_lb_config": {"hash_balance_factor": 120}}}


def subjects() -> Iterator[Subject]:
    """Return what is compared."""
    for name, form in (
        ("round robin", {"lb_policy": "ROUND_ROBIN"}),
        ("round robin typed", typed("round_robin.v3.RoundRobin")),
    ):
        yield Subject(name + " equal", form, weighted=False)
        yield Subject(name + " weighted", form)
        yield Subject(name + " retried", form, action={"retry_policy": RETRY_ELSEWHERE}, fails=True)
        yield Subject(name + " localities", form, LOCALITIES)
        # No host predicate here: a pick it refuses draws a priority that nobody sees.
        yield Subject(name + " priorities", form, PRIORITIES, sick=0.4, action={"retry_policy": RETRY}, fails=True)
    yield Subject("round robin weighted localities", {"lb_policy": "ROUND_ROBIN", **BY_LOCALITY}, LOCALITIES)
    yield Subject(
        "round robin weighted localities typed", typed("round_robin.v3.RoundRobin", TYPED_BY_LOCALITY), LOCALITIES
    )
    yield Subject("least request weighted", {"lb_policy": "LEAST_REQUEST"})
    yield Subject("least request typed", typed("least_request.v3.LeastRequest", {"choice_count": 3}))
    for (i, policy), (j, hashes) in product(enumerate(HASHING), enumerate(HASH_POLICIES)):
        yield Subject(f"hash {i} by {j}", policy, action={"hash_policy": [hashes]})
    by_key: Json = {"hash_policy": [HASH_POLICIES[0]]}
    by_two: Json = {"hash_policy": [{**HASH_POLICIES[2], "terminal": True}, *HASH_POLICIES[:4]]}
    hashing = (
        *HASHING,
        *map(_balanced, HASHING),
        *({**policy, **BY_LOCALITY} for policy in HASHING),
        typed("ring_hash.v3.RingHash", {"minimum_ring_size": 32}),
        typed("ring_hash.v3.RingHash", {"consistent_hashing_lb_config": {"hash_balance_factor": 110}}),
        typed("maglev.v3.Maglev", {"table_size": 211}),
        typed(
            "maglev.v3.Maglev",
            {"consistent_hashing_lb_config": {"use_hostname_for_hashing": True}, "locality_weighted_lb_config": {}},
        ),
    )
    for i, policy in enumerate(hashing):
        yield Subject(f"hashing {i} unweighted", policy, weighted=False, action=by_key)
        yield Subject(f"hashing {i} localities", policy, LOCALITIES, action=by_two)
        retried = {**by_key, "retry_policy": RETRY_ELSEWHERE}
        yield Subject(f"hashing {i} priorities", policy, PRIORITIES, sick=0.3, action=retried, fails=True)
    for i, policy in enumerate(({"lb_policy": "ROUND_ROBIN"}, *HASHING)):
        for j, wanted in enumerate(CRITERIA):
            action = {**by_key, "metadata_match": {"filter_metadata": {"envoy.lb": wanted}}}
            yield Subject(f"subset {i} of {j}", {**policy, "lb_subset_config": SUBSETS}, ((0, 1, 6),), action=action)


def _host(bench: Bench, name: str, subject: Subject) -> Json:
    metadata = {"v": bench.one("1", "2"), "s": bench.one("p", "q")}
    host = bench.endpoint(name, metadata={"filter_metadata": {"envoy.lb": metadata}})
    host["endpoint"]["hostname"] = f"host-{len(bench.cluster_of)}"
    if subject.weighted:
        host["load_balancing_weight"] = bench.one(1, 2, 3, 5)
    if bench.chance(subject.sick):
        host["health_status"] = "UNHEALTHY"
    return host


def add(bench: Bench, subjects_: list[Subject]) -> list[Json]:
    """Add the clusters of ``subjects_``; return the routes to them: ``/0``, ``/1``, ..."""
    routes = []
    for number, subject in enumerate(subjects_):
        name = subject.name
        localities: list[Json] = []
        for i, (priority, weight, count) in enumerate(subject.shape):
            hosts = [_host(bench, name, subject) for _ in range(count)]
            locality: Json = {"locality": {"zone": f"z{i}"}, "priority": priority, "lb_endpoints": hosts}
            localities.append({**locality, **({"load_balancing_weight": weight} if weight else {})})
        bench.cluster(name, localities=localities, **subject.cluster)
        routes.append(route(name, {"path": f"/{number}"}, name, action=subject.action))
    return routes


def make(seed: int, share: float = 1.0) -> tuple[list[Subject], Case]:
    """Return the subjects, or a drawn ``share`` of them, and a case with 60 requests to each."""
    bench = Bench(random.Random(seed))
    chosen = [subject for subject in subjects() if bench.chance(share)]
    destination = bench.serve(add(bench, chosen))
    for number, subject in enumerate(chosen):
        for i in range(REQUESTS):
            key = bench.rng.randrange(40)
            bench.send(
                destination,
                path=f"/{number}?q={key}" if bench.chance(0.9) else f"/{number}",
                headers=(("x-k", str(key)), ("cookie", f"a=b; k={key}"))[: bench.one(1, 2, 2, 2)],
                upstream=(Behaviour(status=503), Behaviour(body="up")) if subject.fails and i % 7 == 3 else (),
            )
    return chosen, bench.case(seed, "hosts")


def play(binary: Path, seed: int, share: float = 1.0) -> Findings:
    """Play the subjects on both sides."""
    chosen, case = make(seed, share)
    wrong = differing_subjects(case, observe(binary, case))
    lines = (f"{chosen[int(path[1:])].name} {words}" for path, words in wrong.items())
    return Findings(f"hosts of {REQUESTS} requests each", len(chosen), tuple(lines))
