"""The rebuilt bootstrap: nothing outside loopback, nothing that calls anybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from envoysim.load import load
from envoysim.verify.rebuild import rebuild
from envoysim.verify.synthesis_literals import levels

from .running import CORPUS, FIXTURES

ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
MARKS = ("grpc_service", "http_service", "api_config_source", "ads", "remote_jwks", "filename", "pipe", "sds_config")
"""Fields that lead out of the process."""


def _sample() -> list[Path]:
    dumps = sorted(CORPUS.glob("**/*config_dump*.json"))
    return dumps[:: max(1, len(dumps) // 25)]


@pytest.mark.parametrize("source", [*FIXTURES, *_sample()], ids=lambda path: "/".join(path.parts[-2:]))
def test_only_loopback_is_in_reach(source: Path) -> None:
    made = rebuild(load([source]))
    resources = made.bootstrap["static_resources"]

    outside = [
        entry["address"]
        for cluster in resources["clusters"]
        for entry in levels(cluster.get("load_assignment", {}))
        if "port_value" in entry and entry["address"] != "127.0.0.1"
    ]
    bound = [
        listener["address"]["socket_address"]["address"]
        for listener in resources["listeners"]
        if listener.get("bind_to_port", True)
    ]

    assert outside == []
    assert set(bound) <= {"127.0.0.1"}
    assert {cluster.get("type", "aggregate") for cluster in resources["clusters"]} <= {"STATIC", "aggregate"}
    assert [mark for mark in MARKS for entry in levels(made.bootstrap) if mark in entry] == []
    assert not [c["name"] for c in resources["clusters"] if "transport_socket" in c or "health_checks" in c]


def _dump(cluster: dict[str, Any], **sources: Any) -> Any:
    listener = {
        "name": "l",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 80}},
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.tcp_proxy",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                            "cluster": "c",
                        },
                    }
                ]
            }
        ],
    }
    return rebuild(load([json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}}).encode()]))


def test_health_weights_and_hash_keys_stay() -> None:
    endpoint = {
        "endpoint": {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 8080}}},
        "health_status": "UNHEALTHY",
        "load_balancing_weight": 7,
    }
    assignment = {"cluster_name": "c", "endpoints": [{"lb_endpoints": [endpoint]}]}

    made = _dump({"name": "c", "type": "STATIC", "load_assignment": assignment})

    kept = made.bootstrap["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]
    assert (kept["health_status"], kept["load_balancing_weight"]) == ("UNHEALTHY", 7)
    assert kept["metadata"]["filter_metadata"]["envoy.lb"]["hash_key"] == "10.0.0.1:8080"


def test_names_of_strict_dns_hosts_stay() -> None:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "web.example", "port_value": 80}}}}
    assignment = {"cluster_name": "c", "endpoints": [{"lb_endpoints": [endpoint]}]}

    made = _dump({"name": "c", "type": "STRICT_DNS", "load_assignment": assignment})

    kept = made.bootstrap["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]
    assert kept["endpoint"]["hostname"] == "web.example"


def test_every_change_is_listed() -> None:
    made = _dump({"name": "c", "type": "EDS", "transport_socket": {"name": "tls"}})

    assert "cluster `c`: transport_socket taken out" in made.changes
    assert "cluster `c` (EDS): endpoints are not in the dump, one stands for them" in made.changes


def test_routes_without_listeners_get_one_each() -> None:
    host = {"name": "h", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "away"}}]}
    table = {"name": "8080", "virtual_hosts": [host]}
    section = {"dynamic_route_configs": [{"route_config": {"@type": ROUTES, **table}}]}
    made = rebuild(load([{"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump", **section}]}]))

    assert made.original == {"routes 8080": "0.0.0.0:8080"}
    assert list(made.cluster_of.values()) == ["away"]
    assert made.changes[:2] == [
        "cluster `away`: made up, the dump has no clusters",
        "route configuration `8080`: a listener made for it, the dump has none",
    ]
