"""``python -m tests.differential.load_balancing [--seed N] [--cases N]``: random clusters through both sides.

Hashing policies must choose the very host Envoy chooses, attempt by attempt. For the others the hosts' shares that
``explore`` finds are compared with how often Envoy chose each. Exit 1 on any difference.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from envoysim.explore import explore
from envoysim.load import load
from envoysim.model.behaviour import Behaviour
from envoysim.model.request import Connection, Request
from envoysim.model.world import State, World
from envoysim.simulate import simulate
from envoysim.stages.proxy import Proxy
from envoysim.verify.binary import find_envoy
from envoysim.verify.ports import free_ports
from envoysim.verify.process import run_envoy
from envoysim.verify.upstreams import ScriptedUpstreams

from .generate import HCM, ROUTER

Json = dict[str, Any]
RETRY = "type.googleapis.com/envoy.extensions.retry."
PREVIOUS_HOSTS = RETRY + "host.previous_hosts.v3.PreviousHostsPredicate"
PREVIOUS_PRIORITIES = RETRY + "priority.previous_priorities.v3.PreviousPrioritiesConfig"
HEALTH = ("HEALTHY", "HEALTHY", "HEALTHY", "UNHEALTHY", "DEGRADED", "DRAINING", "UNKNOWN")
POLICIES = ("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH", "MAGLEV")
HASHED = frozenset({"RING_HASH", "MAGLEV"})
SELECTORS: tuple[list[Json], ...] = (
    [{"keys": ["v"]}],
    [{"keys": ["v", "s"]}, {"keys": ["s"]}],
    [{"keys": ["v"], "fallback_policy": "ANY_ENDPOINT"}],
    [{"keys": ["v", "s"], "fallback_policy": "KEYS_SUBSET", "fallback_keys_subset": ["s"]}, {"keys": ["s"]}],
)
CRITERIA: tuple[Json, ...] = ({"v": "1"}, {"v": "3"}, {"v": "1", "s": "p"}, {"v": "2", "s": "q"}, {"s": "p"})
DRAWS = 200
"""Requests to a cluster whose choice is left to chance."""
DEVIATIONS = 4.5
"""How many standard deviations a host's count may be off."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One cluster and the route to it; the path is its name."""

    name: str
    cluster: Json
    route: Json
    hashed: bool
    retried: bool


def make_subject(rng: random.Random, name: str, ports: Iterator[int]) -> Subject:
    """Draw a cluster with hosts on ``ports``."""
    policy, zoned = rng.choice(POLICIES), rng.random() < 0.6
    groups = [
        _group(rng, priority, zone if zoned else "", ports)
        for priority in range(rng.choice((1, 1, 2, 3)))
        for zone in rng.sample("abc", rng.randint(1, 3) if zoned else 1)
    ]
    common = _common(rng)
    assignment: Json = {"cluster_name": name, "endpoints": groups, "policy": {}}
    if rng.random() < 0.3:
        assignment["policy"]["overprovisioning_factor"] = rng.choice((100, 120, 200))
    if rng.random() < 0.2:
        assignment["policy"]["weighted_priority_health"] = True
    cluster: Json = {"name": name, "lb_policy": policy, "common_lb_config": common, "load_assignment": assignment}
    route: Json = {"cluster": name}
    if rng.random() < 0.35:
        cluster["lb_subset_config"] = _subsets(rng, weighted="locality_weighted_lb_config" in common)
        route["metadata_match"] = {"filter_metadata": {"envoy.lb": rng.choice(CRITERIA)}}
    if policy in HASHED:
        route["hash_policy"] = [{"header": {"header_name": "x-k"}}]
    retried = rng.random() < 0.3
    if retried:
        route["retry_policy"] = {"retry_on": "5xx", "num_retries": 4, **_retry_hosts(rng)}
    return Subject(name, cluster, route, policy in HASHED, retried)


def _group(rng: random.Random, priority: int, zone: str, ports: Iterator[int]) -> Json:
    endpoints = [
        {
            "endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": next(ports)}}},
            "health_status": rng.choice(HEALTH),
            "load_balancing_weight": rng.choice((1, 1, 2, 5)),
            "metadata": {"filter_metadata": {"envoy.lb": {"v": rng.choice("12"), "s": rng.choice("pq")}}},
        }
        for _ in range(rng.randint(0, 3))
    ]
    group: Json = {"lb_endpoints": endpoints, "priority": priority}
    if zone:
        group["locality"] = {"zone": zone}
        if rng.random() < 0.8:
            group["load_balancing_weight"] = rng.randint(1, 3)
    return group


def _common(rng: random.Random) -> Json:
    common: Json = {}
    kind = rng.random()
    if kind < 0.45:
        common["locality_weighted_lb_config"] = {}
    elif kind < 0.6:
        common["zone_aware_lb_config"] = {"fail_traffic_on_panic": True}
    if rng.random() < 0.5:
        common["healthy_panic_threshold"] = {"value": rng.choice((0, 10, 29, 50, 70.5, 100))}
    return common


def _subsets(rng: random.Random, *, weighted: bool) -> Json:
    config: Json = {
        "subset_selectors": rng.choice(SELECTORS),
        "fallback_policy": rng.choice(("NO_FALLBACK", "ANY_ENDPOINT", "DEFAULT_SUBSET")),
        "default_subset": {"s": rng.choice("pqr")},
        "panic_mode_any": rng.random() < 0.3,
    }
    if weighted and rng.random() < 0.6:
        config |= {"locality_weight_aware": True, "scale_locality_weight": rng.random() < 0.5}
    return config


def _retry_hosts(rng: random.Random) -> Json:
    kind = rng.randrange(3)
    if kind == 0:
        return {}
    if kind == 1:
        predicate = {"name": "previous", "typed_config": {"@type": PREVIOUS_HOSTS}}
        return {"retry_host_predicate": [predicate], "host_selection_retry_max_attempts": rng.choice((1, 3))}
    config = {"@type": PREVIOUS_PRIORITIES, "update_frequency": rng.choice((1, 2))}
    return {"retry_priority": {"name": "priorities", "typed_config": config}}


def make_bootstrap(subjects: Sequence[Subject], port: int) -> Json:
    """One listener with a route to every subject."""
    routes = [{"match": {"path": f"/{s.name}"}, "route": s.route} for s in subjects]
    manager = {
        "@type": HCM,
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": ROUTER}],
    }
    listener = {
        "name": "l0",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [s.cluster for s in subjects]}}


class Sides:
    """The real Envoy and the simulation, asked alike."""

    def __init__(self, proxy: Proxy, port: int, upstreams: ScriptedUpstreams) -> None:
        self._proxy, self._port, self._upstreams = proxy, port, upstreams
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def real(self, subject: Subject, key: str, behaviours: tuple[Behaviour, ...]) -> tuple[int, list[str]]:
        """Return status and the endpoints of all attempts, as Envoy has it."""
        self._upstreams.script(behaviours, {})
        self._connection.request("GET", f"/{subject.name}", headers={"host": "a.test", "x-k": key})
        answer = self._connection.getresponse()
        answer.read()
        return answer.status, [sighting.endpoint for sighting in self._upstreams.sightings]

    def request(self, subject: Subject, key: str, behaviours: tuple[Behaviour, ...] = ()) -> Request:
        """The same request for the simulation."""
        return Request(
            connection=Connection(destination=f"127.0.0.1:{self._port}"),
            authority="a.test",
            path=f"/{subject.name}",
            headers=(("x-k", key),),
            upstream=behaviours,
        )

    def compare(self, subject: Subject) -> str:
        """Return what differs, "" for nothing."""
        return self._compare_attempts(subject) if subject.hashed else self._compare_shares(subject)

    def _compare_attempts(self, subject: Subject) -> str:
        behaviours = (Behaviour(status=503),) if subject.retried else ()
        state = State()
        for key in map(str, range(12)):
            status, attempts = self.real(subject, key, behaviours)
            outcome = simulate(self._proxy, self.request(subject, key, behaviours), World(), state).outcome
            mine = (outcome.status, [attempt.endpoint for attempt in outcome.attempts])
            if mine != (status, attempts):
                return f"key {key}: envoy {status} {attempts}, envoysim {mine[0]} {mine[1]}"
        return ""

    def _compare_shares(self, subject: Subject) -> str:
        counts: Counter[str] = Counter()
        for _ in range(DRAWS):
            status, attempts = self.real(subject, "k", ())
            counts[attempts[0] if attempts else str(status)] += 1
        shares: Counter[str] = Counter()
        for share, trace in explore(self._proxy, self.request(subject, "k"), World()).shares:
            shares[trace.outcome.endpoint or str(trace.outcome.status)] += share  # type: ignore[assignment]
        for place in {*counts, *shares}:
            share = shares[place]
            allowed = DEVIATIONS * math.sqrt(share * (1 - share) * DRAWS) + 1
            if abs(counts[place] - share * DRAWS) > allowed:
                return f"{place}: envoy {counts[place]} of {DRAWS}, envoysim {share:.4f}"
        return ""


def play(seed: int, size: int = 14) -> list[tuple[Subject, str]]:
    """Return the subjects of ``seed`` on which the sides differ, each with what differs."""
    rng = random.Random(seed)
    ports = iter(free_ports(size * 30))
    subjects = [make_subject(rng, f"c{i}", ports) for i in range(size)]
    port, admin_port = free_ports(2)
    bootstrap = make_bootstrap(subjects, port)
    groups = [g for s in subjects for g in s.cluster["load_assignment"]["endpoints"]]
    addresses = [e["endpoint"]["address"]["socket_address"] for g in groups for e in g["lb_endpoints"]]
    endpoints = [f"{a['address']}:{a['port_value']}" for a in addresses]
    with ScriptedUpstreams(endpoints) as upstreams, run_envoy(find_envoy(), bootstrap, admin_port):
        sides = Sides(Proxy(load([json.dumps(bootstrap).encode()])), port, upstreams)
        return [(subject, words) for subject in subjects if (words := sides.compare(subject))]


def main() -> int:
    """Play cases until the count is reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the first case")
    parser.add_argument("--cases", type=int, default=3, help="how many cases, of 14 clusters each")
    options = parser.parse_args()
    wrong = 0
    for seed in range(options.seed, options.seed + options.cases):
        for subject, words in play(seed):
            wrong += 1
            print(
                f"seed {seed} {subject.name}: {words}\n  {json.dumps(subject.cluster)}\n  {json.dumps(subject.route)}"
            )
    print(f"{options.cases} cases, {wrong} clusters differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
