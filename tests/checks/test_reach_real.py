"""The example of every route that can be reached reaches it in the real Envoy."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Iterator

import pytest

from envoysim.checks.host_reach import host_reaches
from envoysim.checks.subject import Subject
from envoysim.load import load
from envoysim.verify.binary import find_envoy
from envoysim.verify.client import Client
from envoysim.verify.ports import free_ports
from envoysim.verify.process import run_envoy

from .healthy import HCM, ROUTER, Json, address, fixture
from .test_reach import table

FIRST_STATUS = 450
"""A route answers with this and its position: codes that Envoy itself never sends."""
TABLES = 300

pytestmark = [pytest.mark.slow, pytest.mark.envoy]


def bootstrap(tables: list[list[Json]], port: int) -> Json:
    """A virtual host for every table, whose routes answer by themselves."""
    hosts = []
    for i, matches in enumerate(tables):
        routes = [{"match": m, "direct_response": {"status": FIRST_STATUS + j}} for j, m in enumerate(matches)]
        hosts.append({"name": f"t{i}", "domains": [f"t{i}.example"], "routes": routes})
    manager = {
        "@type": HCM,
        "stat_prefix": "x",
        "route_config": {"name": "tables", "virtual_hosts": hosts},
        "http_filters": [ROUTER],
    }
    chain = {"filters": [{"name": "hcm", "typed_config": manager}]}
    listener = {"name": "l", "address": address("127.0.0.1", port), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener]}}


def virtual_hosts(value: object) -> Iterator[Json]:
    if isinstance(value, dict):
        hosts = value.get("virtual_hosts")
        yield from hosts if isinstance(hosts, list) else ()
        for inner in value.values():
            yield from virtual_hosts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from virtual_hosts(inner)


def reached(tables: list[list[Json]]) -> int:
    """Play the examples through the real Envoy; return how many reached their route, all others fail the test."""
    port, admin_port = free_ports(2)
    config = bootstrap(tables, port)
    hosts = host_reaches(Subject(load([json.dumps(config).encode()])))
    wrong, right = [], 0
    with run_envoy(find_envoy(), config, admin_port), Client() as client:
        for host in hosts:
            for position in range(len(host.routes)):
                example = host.reachability.decide(position).example
                witness = host.witness(example, *range(position + 1)) if example is not None else None
                if witness is None:
                    continue
                answer = client.send(witness.request, "127.0.0.1", port)
                if answer.status == FIRST_STATUS + position:
                    right += 1
                else:
                    matches = tables[int(host.host.msg.name[1:])][: position + 1]
                    wrong.append((witness.command, answer.status, position, matches))
    assert wrong == []
    return right


def test_of_random_tables() -> None:
    """New ones each time; ENVOYSIM_SEED repeats a run."""
    seed = int(os.environ.get("ENVOYSIM_SEED") or random.SystemRandom().randrange(1_000_000))
    print(f"ENVOYSIM_SEED={seed}")
    rng = random.Random(seed)

    assert reached([table(rng) for _ in range(TABLES)]) > TABLES


@pytest.mark.parametrize("name", ["edge", "sidecar", "ingress"])
def test_of_the_fixtures(name: str) -> None:
    hosts = [host for host in virtual_hosts(fixture(name)) if host.get("routes")]
    tables = [[copy.deepcopy(route["match"]) for route in host["routes"]] for host in hosts]

    assert reached(tables) >= len(tables)
