"""Where hosts come from: discovery types, cluster extensions, what the dump knows and does not."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from envoysim.load import load
from envoysim.model.address import Address
from envoysim.model.headers import HeaderMap
from envoysim.stages.load_balancer import Host, LbContext, NoHost, Unknown
from envoysim.stages.proxy import Proxy

from .balancing import POLICIES, Json, choose, cluster_json, endpoint, group, make_proxy, named, shares

EDS = {"type": "EDS", "eds_cluster_config": {"eds_config": {"ads": {}}, "service_name": "svc"}}


def dump(cluster: Json, *assignments: Json, clusters: Json | None = None) -> Proxy:
    """A config dump with a cluster and, if there are assignments, an endpoints section."""
    configs: list[Json] = [
        {
            "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
            "dynamic_active_clusters": [
                {"cluster": {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", **cluster}}
            ],
        }
    ]
    if assignments:
        entry = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
        configs.append(
            {
                "@type": "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump",
                "dynamic_endpoint_configs": [{"endpoint_config": {"@type": entry, **a}} for a in assignments],
            }
        )
    sources: list[Any] = [json.dumps({"configs": configs}).encode()]
    if clusters is not None:
        sources.append(json.dumps(clusters).encode())
    return Proxy(load(sources))


def only(proxy: Proxy, **context: Any) -> Host | NoHost | Unknown:
    cluster = proxy.cluster("c")
    assert cluster is not None
    return choose(cluster, LbContext(**context))


def test_eds_by_service_name() -> None:
    proxy = dump({"name": "c", **EDS}, {"cluster_name": "svc", "endpoints": [group(endpoint("a1"))]})
    host = only(proxy)

    assert isinstance(host, Host)
    assert host.endpoint == "10.0.0.1:1001"
    assert proxy.dump.pointer(host.ref).startswith("/configs/1/dynamic_endpoint_configs/0/endpoint_config/endpoints/0")


@pytest.mark.parametrize(
    ("assignments", "words"),
    [((), "include_eds"), (({"cluster_name": "other", "endpoints": []},), "without them")],
)
def test_without_endpoints_the_answer_is_not_known(assignments: tuple[Json, ...], words: str) -> None:
    found = only(dump({"name": "c", **EDS}, *assignments))

    assert isinstance(found, Unknown)
    assert words in found.what


def test_an_empty_assignment_is_known() -> None:
    found = only(dump({"name": "c", **EDS}, {"cluster_name": "svc"}))

    assert isinstance(found, NoHost)
    assert found.reason == "the cluster has no hosts"


def test_clusters_output_tells_health() -> None:
    """``/clusters`` knows that a host is draining, where the dump only calls it unhealthy."""
    assignment = {
        "cluster_name": "svc",
        "endpoints": [
            group(endpoint("a1"), endpoint("a2", "UNHEALTHY")),
            group(endpoint("b1"), priority=1),
        ],
    }
    status = {
        "cluster_statuses": [
            {
                "name": "c",
                "host_statuses": [
                    {
                        "address": {"socket_address": {"address": "10.0.0.2", "port_value": 1001}},
                        "health_status": {"eds_health_status": "DRAINING"},
                    }
                ],
            }
        ]
    }
    coarse, exact = dump({"name": "c", **EDS}, assignment), dump({"name": "c", **EDS}, assignment, clusters=status)
    left, right = coarse.cluster("c"), exact.cluster("c")
    assert left is not None
    assert right is not None

    assert shares(left) == {"a1": 0.7, "b1": 0.3}
    assert "add /clusters" in left.endpoints.note
    assert shares(right) == {"a1": 1.0}
    assert not right.endpoints.note


def test_dns_names_stay_names() -> None:
    hosts = [{"endpoint": {"address": {"socket_address": {"address": "x.test", "port_value": 80}}}}]
    proxy = make_proxy(cluster_json({"lb_endpoints": hosts}, type="STRICT_DNS"))
    host = only(proxy)

    assert isinstance(host, Host)
    assert (host.endpoint, host.hostname, host.address) == ("x.test:80", "x.test", None)


def test_dumped_addresses_of_dns_clusters() -> None:
    hosts = [{"endpoint": {"address": {"socket_address": {"address": "x.test", "port_value": 80}}}}]
    resolved = {"cluster_name": "c", "endpoints": [group(endpoint("a7", hostname="x.test"))]}
    host = only(dump(cluster_json({"lb_endpoints": hosts}, type="STRICT_DNS"), resolved))

    assert isinstance(host, Host)
    assert (named(host.endpoint), host.hostname) == ("a7", "x.test")


def stream(
    *headers: tuple[str, str], restored: bool = False, metadata: dict[str, Any] | None = None, **state: Any
) -> Any:
    connection = SimpleNamespace(
        local=Address("10.9.9.9", 99), restored=restored, filter_state={}, server_name="sni.test", metadata={}
    )
    return SimpleNamespace(
        headers=HeaderMap(headers),
        connection=connection,
        metadata=metadata or {},
        filter_state=state.get("filter_state", {}),
        facts={},
    )


HEADER = {"use_http_header": True}
KEY = {"metadata_key": {"key": "dst", "path": [{"key": "to"}]}}

# original_dst_lb_config, stream, endpoint ("" for none)
ORIGINAL: list[tuple[Json, Any, str]] = [
    ({}, stream(), ""),
    ({}, stream(restored=True), "10.9.9.9:99"),
    ({}, stream(("x-envoy-original-dst-host", "1.1.1.1:1"), restored=True), "10.9.9.9:99"),
    (HEADER, stream(("x-envoy-original-dst-host", "1.1.1.1:1"), restored=True), "1.1.1.1:1"),
    (HEADER, stream(("x-envoy-original-dst-host", "name:1")), ""),
    ({**HEADER, "http_header_name": "X-To"}, stream(("x-to", "1.1.1.1:1")), "1.1.1.1:1"),
    ({**HEADER, "upstream_port_override": 5}, stream(("x-envoy-original-dst-host", "1.1.1.1:1")), "1.1.1.1:5"),
    (KEY, stream(metadata={"dst": {"to": "2.2.2.2:2"}}), "2.2.2.2:2"),
    (
        {**KEY, **HEADER},
        stream(("x-envoy-original-dst-host", "1.1.1.1:1"), metadata={"dst": {"to": "2.2.2.2:2"}}),
        "2.2.2.2:2",
    ),
]


@pytest.mark.parametrize(("config", "asked", "wanted"), ORIGINAL)
def test_original_destination(config: Json, asked: Any, wanted: str) -> None:
    proxy = make_proxy(
        {"name": "c", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "original_dst_lb_config": config}
    )
    host = only(proxy, stream=asked)

    assert (host.endpoint if isinstance(host, Host) else "") == wanted


def custom(kind: str, config: Json) -> Json:
    typed = {"@type": f"type.googleapis.com/envoy.extensions.clusters.{kind}.v3.ClusterConfig", **config}
    return {
        "name": "c",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {"name": f"envoy.clusters.{kind}", "typed_config": typed},
    }


@pytest.mark.parametrize(
    ("first", "wanted"),
    [
        ("HEALTHY", {"a1": 1.0}),
        ("UNHEALTHY", {"b1": 0.5, "b2": 0.5}),
    ],
)
def test_aggregate(first: str, wanted: dict[str, float]) -> None:
    proxy = make_proxy(
        custom("aggregate", {"clusters": ["one", "missing", "two"]}),
        cluster_json(group(endpoint("a1", first)), name="one"),
        cluster_json(group(endpoint("b1"), endpoint("b2")), name="two"),
    )
    cluster = proxy.cluster("c")
    assert cluster is not None

    assert shares(cluster) == wanted
    host = choose(cluster)
    assert isinstance(host, Host)
    assert host.cluster_name == ("one" if first == "HEALTHY" else "two")


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (stream((":authority", "x.test")), "x.test:80"),
        (stream((":authority", "x.test:8080")), "x.test:8080"),
        (stream((":authority", "[::1]:81")), "[::1]:81"),
        (stream((":authority", "x.test"), filter_state={"envoy.upstream.dynamic_port": 81}), "x.test:81"),
        (stream((":authority", "x.test"), filter_state={"envoy.upstream.dynamic_host": "y.test"}), "y.test:80"),
        (stream(), ""),
    ],
)
def test_dynamic_forward_proxy(asked: Any, wanted: str) -> None:
    host = only(make_proxy(custom("dynamic_forward_proxy", {"dns_cache_config": {"name": "d"}})), stream=asked)

    assert (host.endpoint if isinstance(host, Host) else "") == wanted


def test_sessions_ask_for_hosts() -> None:
    proxy = make_proxy(cluster_json(group(endpoint("a1"), endpoint("a2"), endpoint("a3", "DRAINING"))))

    for name, strict, wanted in (("2", True, "a2"), ("3", True, "-"), ("9", True, "-"), ("2", False, "a2")):
        found = only(proxy, override_host=f"10.0.0.{name}:1001", strict=strict)
        assert (named(found.endpoint) if isinstance(found, Host) else "-") == wanted
    assert isinstance(only(proxy, override_host="10.0.0.3:1001"), Host)


def test_override_host_policy() -> None:
    """Every attempt takes the next host named that the cluster has; then the policy inside chooses."""

    def policy(name: str, **config: Any) -> Json:
        typed = {"@type": f"{POLICIES}.{name}", **config}
        return {"policies": [{"typed_extension_config": {"name": name, "typed_config": typed}}]}

    outer = policy(
        "override_host.v3.OverrideHost",
        override_host_sources=[{"header": "x-to"}],
        fallback_policy=policy("round_robin.v3.RoundRobin"),
    )
    cluster = make_proxy(cluster_json(group(endpoint("a1"), endpoint("a2")), load_balancing_policy=outer)).cluster("c")
    assert cluster is not None
    context = LbContext(stream=stream(("x-to", "9.9.9.9:1, 10.0.0.2:1001,10.0.0.1:1001")))

    chosen = [choose(cluster, context) for _ in range(2)]
    assert [named(host.endpoint) for host in chosen if isinstance(host, Host)] == ["a2", "a1"]
