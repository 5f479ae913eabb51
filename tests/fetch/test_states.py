"""Every state a real Envoy put its resources in is shown with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from envoysim.cli.main import cli
from envoysim.load import load
from envoysim.verify.binary import find_envoy
from envoysim.verify.ports import free_ports
from envoysim.verify.process import Envoy, run_envoy

from .control_plane import ControlPlane
from .mesh import PATIENT, assignment, bootstrap, eds, listener, mesh, rds, routes

FIXTURES = Path(__file__).parents[2] / "fixtures" / "xds_states"
VARIANTS = ("sotw", "delta")
STATES = {
    "active": {},
    "warming": {
        ("listeners", "http", "warming"): "not ready: it waits for route configuration `never` from ADS",
        ("listeners", "late", "warming"): "not ready: it waits for route configuration `never` from ADS",
        ("listeners", "bare", "warming"): "not ready: it waits for extension config `absent` from ADS",
        ("clusters", "cold", "warming"): "not ready: it waits for endpoint `cold` from ADS",
    },
    "draining": {
        ("listeners", "own", "draining"): "removed or replaced: it takes no new connections",
        ("listeners", "tenants", "draining"): "removed or replaced: it takes no new connections",
    },
    "rejected": {
        ("listeners", "filtered", "error"): "Proto constraint validation failed (LuaValidationError",
        ("listeners", "new-bad", "error"): "error adding listener named 'new-bad': address is necessary",
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", STATES)
def test_state_and_reason(name: str, variant: str) -> None:
    path = str(FIXTURES / f"{name}.{variant}.json")
    result = CliRunner().invoke(cli, ["inspect", path, "-o", "json"], catch_exceptions=False, standalone_mode=False)

    found = [r for r in json.loads(result.stdout)["resources"] if r["state"] not in ("active", "static")]
    shown = {(r["kind"], r["name"], r["state"]): r["problem"] for r in found}
    assert len(shown) == len(found)
    for key, reason in STATES[name].items():
        assert reason in shown[key]
    if name in ("active", "warming"):
        assert shown.keys() == STATES[name].keys()


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_text_says_it_in_one_line_each(variant: str) -> None:
    path = str(FIXTURES / f"rejected.{variant}.json")
    result = CliRunner().invoke(cli, ["inspect", path], catch_exceptions=False, standalone_mode=False)

    lines = [line for line in result.stdout.splitlines() if line.startswith("error listeners `filtered`: ")]
    assert len(lines) == 1
    assert "specifier" in lines[0]


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_waits_drains_or_was_rejected_does_not_serve(variant: str) -> None:
    warming = load(FIXTURES / f"warming.{variant}.json")
    assert "cold" not in warming.clusters
    assert {"late", "bare"}.isdisjoint(resource.name for resource in warming.listeners)
    assert next(resource.version for resource in warming.listeners if resource.name == "http") == "1"

    draining = load(FIXTURES / f"draining.{variant}.json")
    assert "own" not in {resource.name for resource in draining.listeners}
    (tenants,) = (resource for resource in draining.listeners if resource.name == "tenants")
    assert tenants.message().address.socket_address.port_value == 10012

    rejected = load(FIXTURES / f"rejected.{variant}.json")
    (filtered,) = (resource for resource in rejected.listeners if resource.name == "filtered")
    assert filtered.version == "1"


def test_the_control_plane_was_told_of_every_rejected_update() -> None:
    nacks = json.loads((FIXTURES / "nacks.json").read_text())

    for variant in VARIANTS:
        kinds = [nack["kind"] for nack in nacks[variant]]
        assert kinds == ["clusters", "endpoints", "listeners", "scoped_routes", "routes"]
    assert "scope key conflict" in nacks["sotw"][3]["reason"]


@pytest.mark.envoy
@pytest.mark.slow
@pytest.mark.parametrize("delta", [False, True], ids=VARIANTS)
@pytest.mark.parametrize(
    ("update", "released"),
    [
        ({"routes": {"main": routes("main", "reviews", "twice", "twice")}}, {"http", "late"}),
        ({"endpoints": {"ratings": assignment("ratings", "no-address")}}, {"cold"}),
        ({"listeners": {"bad": {"name": "bad"}}}, set()),
    ],
    ids=["routes", "endpoints", "listeners"],
)
def test_a_rejected_update_releases_what_waits_for_that_kind(
    update: dict[str, Any], released: set[str], delta: bool
) -> None:
    """docs/lab_notes/xds_states.md."""
    waits = {name: listener(name, port, **rds("never", PATIENT)) for name, port in (("http", 10001), ("late", 10005))}
    with ControlPlane() as plane:
        plane.put("1", **mesh())
        (port,) = free_ports(1)
        with run_envoy(find_envoy(), bootstrap(plane.address, delta=delta), port) as envoy:
            plane.put("2", clusters={"cold": eds("cold", source=PATIENT)}, listeners=waits)
            plane.wait(lambda: warming(envoy) == {"http", "late", "cold"})
            plane.put("3", **update)
            plane.wait(lambda: plane.nacks)
            plane.wait(lambda: warming(envoy) == {"http", "late", "cold"} - released)


def warming(envoy: Envoy) -> set[str]:
    return {resource.name for resource in load([envoy.config_dump()]).all_resources if resource.state == "warming"}
