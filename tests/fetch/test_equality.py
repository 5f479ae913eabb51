"""What ``fetch --ads`` writes equals what a real Envoy that asked the same control plane runs, resource by resource."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envoysim.verify.binary import find_envoy
from envoysim.verify.ports import free_ports
from envoysim.verify.process import Envoy, run_envoy

from .control_plane import ControlPlane
from .mesh import PATIENT, bootstrap, eds, listener, mesh, rds, rich
from .test_admin import fetch

pytestmark = [pytest.mark.envoy, pytest.mark.slow]
NODE = "sidecar~10.0.0.1~test"
SECTIONS = {
    "ClustersConfigDump": ("dynamic_active_clusters", "dynamic_warming_clusters"),
    "ListenersConfigDump": ("dynamic_listeners",),
    "RoutesConfigDump": ("static_route_configs", "dynamic_route_configs"),
    "EndpointsConfigDump": ("dynamic_endpoint_configs",),
    "ScopedRoutesConfigDump": ("dynamic_scoped_route_configs",),
    "EcdsConfigDump": ("ecds_filters",),
    "SecretsConfigDump": ("dynamic_active_secrets",),
}
COUNTS = {
    "dynamic_active_clusters": 4,
    "dynamic_listeners": 4,
    "static_route_configs": 1,
    "dynamic_route_configs": 3,
    "dynamic_endpoint_configs": 4,
    "dynamic_scoped_route_configs": 1,
    "ecds_filters": 1,
}


def resources(dump: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """List -> name -> the element, without times."""
    found: dict[str, dict[str, Any]] = {}
    for section in dump["configs"]:
        name = section["@type"].rpartition(".")[2]
        for key in SECTIONS.get(name, ()):
            items = {name_of(item): without(item, "last_updated") for item in section.get(key, [])}
            if items:
                found[key] = items
    return found


def name_of(item: dict[str, Any]) -> str:
    for key in ("cluster", "route_config", "endpoint_config", "ecds_filter"):
        if key in item:
            return str(item[key].get("name") or item[key].get("cluster_name"))
    return str(item["name"])


def without(value: Any, *keys: str) -> Any:
    if isinstance(value, dict):
        return {k: without(v, *keys) for k, v in value.items() if k not in keys}
    return [without(item, *keys) for item in value] if isinstance(value, list) else value


def versions(dump: dict[str, Any]) -> dict[str, str]:
    found = {s["@type"].rpartition(".")[2]: s.get("version_info", "") for s in dump["configs"]}
    return {name: found[name] for name in ("ClustersConfigDump", "ListenersConfigDump")}


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as made:
        made.put("1", **mesh())
        yield made


def both(plane: ControlPlane, folder: Path, *, delta: bool, envoy: Envoy) -> tuple[dict[str, Any], dict[str, Any]]:
    path = folder / "dump.json"
    variant = ["--delta"] if delta else []
    code, said = fetch("--ads", plane.address, "--node-id", NODE, *variant, "-o", str(path), "--timeout", "3")
    assert code == 0, said
    return json.loads(path.read_text()), envoy.config_dump()


@pytest.mark.parametrize("delta", [False, True], ids=["sotw", "delta"])
def test_equal(plane: ControlPlane, tmp_path: Path, delta: bool) -> None:
    (port,) = free_ports(1)
    with run_envoy(find_envoy(), bootstrap(plane.address, delta=delta, node=NODE), port) as envoy:
        fetched, real = both(plane, tmp_path, delta=delta, envoy=envoy)

    assert resources(fetched) == resources(real)
    assert versions(fetched) == versions(real)
    assert {key: len(items) for key, items in resources(fetched).items()} == COUNTS
    assert plane.nacks == []


@pytest.mark.parametrize("delta", [False, True], ids=["sotw", "delta"])
def test_equal_in_unusual_fields_and_types(tmp_path: Path, delta: bool) -> None:
    (port,) = free_ports(1)
    with ControlPlane() as plane:
        plane.put("1", **rich())
        with run_envoy(find_envoy(), bootstrap(plane.address, delta=delta, node=NODE), port) as envoy:
            fetched, real = both(plane, tmp_path, delta=delta, envoy=envoy)

    assert plane.nacks == []
    assert resources(fetched) == resources(real)
    assert len(resources(real)["dynamic_active_clusters"]) == 6
    assert len(resources(real)["dynamic_active_secrets"]) == 1


@pytest.mark.parametrize("delta", [False, True], ids=["sotw", "delta"])
def test_equal_while_updates_wait(plane: ControlPlane, tmp_path: Path, delta: bool) -> None:
    (port,) = free_ports(1)
    with run_envoy(find_envoy(), bootstrap(plane.address, delta=delta, node=NODE), port) as envoy:
        plane.put(
            "2",
            clusters={"cold": eds("cold", source=PATIENT)},
            listeners={"late": listener("late", 10005, **rds("never", PATIENT))},
            routes={"main": None},
        )
        plane.put("3", routes={"main": mesh()["routes"]["tenant-a"] | {"name": "main"}})
        plane.wait(lambda: "never" in json.dumps(envoy.config_dump()))
        plane.wait(lambda: '"dynamic_warming_clusters"' in json.dumps(envoy.config_dump()))
        fetched, real = both(plane, tmp_path, delta=delta, envoy=envoy)

    # a proxy keeps the version at which a resource last changed; state of the world has one version for all
    unlike = () if delta else ("version_info",)
    assert without(resources(fetched), *unlike) == without(resources(real), *unlike)
    assert fetched["envoysim_fetch"]["missing"] == [
        {"kind": "endpoint", "name": "cold", "wanted_by": ["cluster `cold`"]},
        {"kind": "route configuration", "name": "never", "wanted_by": ["listener `late`"]},
    ]
