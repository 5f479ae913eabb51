"""Every format an operator has at hand gives the same resources."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from envoysim.load import load
from envoysim.schema import any_type, enum_name, struct_value

FIXTURES = Path(__file__).parents[2] / "fixtures"
CLUSTER = {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "c", "lb_policy": "MAGLEV"}
LISTENER = {"name": "l", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 80}}, "filter_chains": []}
A = "type.googleapis.com/envoy.admin.v3."
STRUCT = {
    "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
    "type_url": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "value": {"name": "c", "lb_policy": "MAGLEV"},
}

SHAPES: list[tuple[str, Any]] = [
    (
        "config_dump",
        {"configs": [{"@type": A + "ClustersConfigDump", "dynamic_active_clusters": [{"cluster": CLUSTER}]}]},
    ),
    ("resource dump", {"configs": [{"@type": A + "ClustersConfigDump.DynamicCluster", "cluster": CLUSTER}]}),
    ("camel case array", [{"name": "c", "lbPolicy": "MAGLEV", "connectTimeout": "1s"}]),
    ("discovery response", {"version_info": "1", "resources": [CLUSTER]}),
    ("delta response", {"resources": [{"name": "c", "version": "1", "resource": CLUSTER}]}),
    ("bootstrap", {"static_resources": {"clusters": [{"name": "c", "lb_policy": "MAGLEV"}]}}),
    ("bare", CLUSTER),
    (
        "egctl",
        {
            "ns": {
                "pod": {
                    "configDump": {
                        "configs": [{"@type": A + "ClustersConfigDump", "static_clusters": [{"cluster": CLUSTER}]}]
                    }
                }
            }
        },
    ),
    ("masked", {"configs": [{"dynamic_active_clusters": [{"cluster": CLUSTER}]}]}),
    ("one of a delta response", {"name": "c", "version": "1", "resource": CLUSTER}),
    (
        "collection",
        {
            "resource": {
                "@type": "type.googleapis.com/envoy.config.cluster.v3.ClusterCollection",
                "entries": [{"inline_entry": {"name": "c", "version": "1", "resource": CLUSTER}}],
            }
        },
    ),
    (
        "by type",
        {"xds": {"type.googleapis.com/envoy.config.cluster.v3.Cluster": {"c": {"lbPolicy": "MAGLEV", "name": "c"}}}},
    ),
    (
        "response without @type",
        {"type_url": "x/envoy.config.cluster.v3.Cluster", "resources": [{"name": "c", "lb_policy": 5}]},
    ),
    ("typed struct", {"configs": [{"@type": A + "ClustersConfigDump", "static_clusters": [{"cluster": STRUCT}]}]}),
    ("istioctl section", {"dynamicActiveClusters": [{"cluster": CLUSTER}]}),
    ("v2", {"@type": "type.googleapis.com/envoy.api.v2.Cluster", "name": "c", "lb_policy": "MAGLEV"}),
]


@pytest.mark.parametrize(("shape", "document"), SHAPES, ids=[s[0] for s in SHAPES])
def test_shape(shape: str, document: Any) -> None:
    dump = load([document])

    assert list(dump.clusters) == ["c"]
    assert enum_name(dump.clusters["c"].message(), "lb_policy") == "MAGLEV"


def test_states() -> None:
    def listener(name: str) -> dict[str, Any]:
        return {**LISTENER, "@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": name}

    section = {
        "@type": A + "ListenersConfigDump",
        "dynamic_listeners": [
            {
                "name": "a",
                "active_state": {"version_info": "1", "listener": listener("a")},
                "warming_state": {"version_info": "2", "listener": listener("a")},
                "error_state": {"failed_configuration": listener("a"), "details": "no", "version_info": "3"},
            },
            {"name": "b", "warming_state": {"listener": listener("b")}},
        ],
    }

    dump = load([{"configs": [section]}])

    assert [(r.name, r.state, r.version) for r in dump.all_resources] == [
        ("a", "active", "1"),
        ("a", "warming", "2"),
        ("a", "error", "3"),
        ("b", "warming", ""),
    ]
    assert [r.name for r in dump.listeners] == ["a"]
    assert dump.all_resources[2].problem == "no"


def test_pointers_use_the_documents_spelling() -> None:
    filter_ = {
        "name": "f",
        "typedConfig": {
            "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
            "typeUrl": "type.googleapis.com/x.Y",
            "value": {"a": 1},
        },
    }
    dump = load([[{"name": "l", "filterChains": [{"filters": [filter_]}]}]])
    listener = dump.listeners[0]
    ref = listener.ref.at("filter_chains", 0, "filters", 0, "typed_config")

    assert dump.pointer(ref) == "/0/filterChains/0/filters/0/typedConfig"
    assert dump.pointer(ref.at("a")) == "/0/filterChains/0/filters/0/typedConfig/value/a"
    assert dump.pointer(ref.at("nothing", 0)) == "/0/filterChains/0/filters/0/typedConfig/value/nothing/0"
    config = listener.message().filter_chains[0].filters[0].typed_config
    assert (any_type(config), struct_value(config)) == ("x.Y", {"a": 1})
    assert [n.text for n in dump.notes] == ["unknown type `x.Y`"]


def test_unknown_fields_are_named_with_their_place() -> None:
    dump = load([{**CLUSTER, "no_such": 1, "lb_policy": "SOMETHING"}])
    dump.clusters["c"].message()

    assert [(dump.pointer(n.ref), n.text) for n in dump.notes if n.ref is not None] == [
        ("/lb_policy", "unknown value `SOMETHING` of ClusterLbPolicy"),
        ("/no_such", "unknown field `no_such` of envoy.config.cluster.v3.Cluster"),
    ]


def test_clusters_bring_health_and_endpoints() -> None:
    dump = load([str(FIXTURES / "sidecar/config_dump.json"), str(FIXTURES / "sidecar/clusters.json")])
    name = "outbound|9080|v2|reviews.default.svc.cluster.local"

    assert dump.host_statuses[name, "10.244.1.23:9080"].eds_health_status == "UNHEALTHY"
    assert sorted(dump.route_configurations) == ["9080", "inbound|9080||"]


@pytest.mark.parametrize("name", ["edge", "sidecar", "ingress", "tcp"])
def test_fixtures_are_known_whole(name: str) -> None:
    dump = load(str(FIXTURES / name / "config_dump.json"))
    for resource in dump.all_resources:
        resource.message()

    assert dump.notes == []


def test_several_proxies_need_a_choice(tmp_path: Path) -> None:
    section = {"@type": A + "ClustersConfigDump", "static_clusters": [{"cluster": CLUSTER}]}
    path = tmp_path / "eg.json"
    path.write_text(json.dumps({"ns": {p: {"configDump": {"configs": [section]}} for p in ("pod-a", "pod-b")}}))

    assert list(load(f"{path}#pod-b").clusters) == ["c"]
    with pytest.raises(Exception, match="several proxies in one file: `ns/pod-a`, `ns/pod-b`"):
        load(str(path))


def test_long_lists_are_made_when_asked() -> None:
    """One resource without a name of its own, or a rejected one, and the list is read item by item."""
    plain = [{"cluster": {**CLUSTER, "name": f"c{i}"}, "version_info": str(i)} for i in range(3)]
    rejected = {"cluster": {**CLUSTER, "name": "c3"}, "error_state": {"failed_configuration": CLUSTER, "details": "no"}}
    for items in (plain, [*plain, rejected]):
        dump = load([{"configs": [{"@type": A + "ClustersConfigDump", "dynamic_active_clusters": items}]}])

        assert list(dump.clusters) == [f"c{i}" for i in range(len(items))]
        assert dump.clusters["c1"] is dump.clusters["c1"]
        assert (dump.clusters["c1"].version, str(dump.clusters["c1"].ref)) == (
            "1",
            "/configs/0/dynamic_active_clusters/1/cluster",
        )
        assert len(dump.all_resources) == (3 if items is plain else 5)
    assert [r.problem for r in dump.all_resources if r.state == "error"] == ["no"]


def test_yaml(tmp_path: Path) -> None:
    path = tmp_path / "bootstrap.yaml"
    path.write_text("static_resources:\n  clusters:\n  - {name: c, lb_policy: MAGLEV, connect_timeout: 1s}\n")

    assert enum_name(load(str(path)).clusters["c"].message(), "lb_policy") == "MAGLEV"


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(CLUSTER))
    (tmp_path / "b.yaml").write_text("name: l\naddress: {socket_address: {address: 127.0.0.1, port_value: 80}}\n")
    (tmp_path / "c.yaml").write_text("apiVersion: v1\nkind: Pod\n")
    (tmp_path / "notes.txt").write_text("not looked at")

    dump = load(str(tmp_path))

    assert (list(dump.clusters), [r.name for r in dump.listeners]) == (["c"], ["l"])
    assert [n.text.startswith("skipped: ") and "c.yaml" in n.text for n in dump.notes] == [True]
    assert dump.pointer(dump.clusters["c"].ref.at("name")) == f"{tmp_path / 'a.json'}#/name"


ADMIN = {
    "/config_dump?include_eds": SHAPES[0][1],
    "/clusters?format=json": {"cluster_statuses": [{"name": "c", "host_statuses": []}]},
    "/config_dump": {"configs": []},
}


class Admin(BaseHTTPRequestHandler):
    """Answers like Envoy's admin interface."""

    def do_GET(self) -> None:
        body = json.dumps(ADMIN[self.path]).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def admin() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Admin)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_admin_address(admin: str) -> None:
    dump = load(f"{admin}/")

    assert list(dump.clusters) == ["c"]
    assert [d.name for d in dump.documents] == [f"{admin}/config_dump", f"{admin}/clusters"]
    assert not load(f"{admin}/config_dump").clusters


def test_documents_of_several_proxies_are_told_apart() -> None:
    def dump_of(node: str, cluster: str) -> dict[str, Any]:
        kind = "type.googleapis.com/envoy.admin.v3."
        clusters = [{"cluster": {"name": cluster}}]
        return {
            "configs": [
                {"@type": kind + "BootstrapConfigDump", "bootstrap": {"node": {"id": node}}},
                {"@type": kind + "ClustersConfigDump", "static_clusters": clusters},
            ]
        }

    more = {"static_resources": {"clusters": [{"name": "more"}]}}
    one = load([dump_of("x", "a"), dump_of("x", "b")])
    several = load([dump_of("x", "a"), more, dump_of("y", "b")])

    assert one.proxies() == (one,)
    assert [(p.node_id, sorted(p.clusters)) for p in several.proxies()] == [("x", ["a", "more"]), ("y", ["b"])]
    assert [several.pointer(p.clusters[n].ref) for p, n in zip(several.proxies(), ("a", "b"), strict=True)] == [
        several.pointer(several.clusters[n].ref) for n in ("a", "b")
    ]
