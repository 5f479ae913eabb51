"""What a control plane sends beside what a proxy runs: every difference has its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from envoysim.against import Comparison, compare, in_order
from envoysim.cli.main import cli
from envoysim.load import load
from envoysim.verify.binary import find_envoy
from envoysim.verify.ports import free_ports
from envoysim.verify.process import run_envoy

from .control_plane import ControlPlane
from .mesh import PATIENT, assignment, bootstrap, eds, listener, mesh, rds, routes
from .test_admin import fetch

ADMIN = "type.googleapis.com/envoy.admin.v3."


def clusters(*active: dict[str, Any], warming: tuple[dict[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
    section = {
        "@type": ADMIN + "ClustersConfigDump",
        "dynamic_active_clusters": [{"version_info": c.pop("version", "1"), "cluster": c} for c in active],
        "dynamic_warming_clusters": [{"version_info": "2", "cluster": c} for c in warming],
    }
    return {"configs": [section], **more}


def compared(plane: dict[str, Any], proxy: dict[str, Any]) -> Comparison:
    return compare(load(plane), load(proxy))


def a(**more: Any) -> dict[str, Any]:
    return {"name": "a", "type": "EDS", "connect_timeout": "1s", **more}


REJECTED = {"stats": [{"name": "cluster_manager.cds.update_rejected", "value": 3}]}
CASES: list[tuple[str, dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = [
    ("equal", clusters(a()), clusters(a()), []),
    ("in another spelling", clusters(a()), clusters({"name": "a", "type": "EDS", "connectTimeout": "1.000s"}), []),
    (
        "stale",
        clusters(a(version="2", connect_timeout="2s")),
        clusters(a()),
        [("stale", "the proxy runs version 1, the control plane sends 2, or it rejected it")],
    ),
    (
        "rejected",
        clusters(a(connect_timeout="2s")),
        clusters(a(), **REJECTED),
        [("rejected", "has rejected 3 updates")],
    ),
    (
        "warming",
        clusters(a(connect_timeout="2s")),
        clusters(a(), warming=(a(connect_timeout="2s"),)),
        [("warming", "it waits for endpoint `a` from an unnamed place; it still runs version 1")],
    ),
    ("absent", clusters(a()), clusters(), [("absent", "the proxy does not have it, or it rejected it")]),
    ("left over", clusters(), clusters(a()), [("left over", "the control plane does not send it (any more)")]),
]


@pytest.mark.parametrize(("name", "plane", "proxy", "expected"), CASES, ids=[c[0] for c in CASES])
def test_differences(name: str, plane: dict[str, Any], proxy: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    found = compared(plane, proxy).differences

    assert [d.state for d in found] == [state for state, _ in expected]
    for difference, (_, reason) in zip(found, expected, strict=True):
        assert reason in difference.reason


def test_the_changes_have_their_places() -> None:
    (found,) = compared(clusters(a(connect_timeout="2s")), clusters(a())).differences

    assert found.changes == ("/connect_timeout: 1s -> 2s",)


def test_the_proxy_is_known_by_how_it_was_fetched() -> None:
    proxy, plane = load({**clusters(), "envoysim_fetch": {"by": "admin"}}), load(clusters())

    assert in_order(proxy, plane) == (plane, proxy)
    assert in_order(plane, proxy) == (plane, proxy)


@pytest.mark.envoy
@pytest.mark.slow
@pytest.mark.parametrize("delta", [False, True], ids=["sotw", "delta"])
def test_a_real_proxy_that_is_behind(tmp_path: Path, delta: bool) -> None:
    sent, run = str(tmp_path / "sent.json"), str(tmp_path / "run.json")
    variant = ["--delta"] if delta else []
    ask = ["--node-id", "sidecar~10.0.0.1~test", "--timeout", "1", *variant, "-o", sent]
    with ControlPlane() as plane:
        plane.put("1", **mesh())
        (port,) = free_ports(1)
        with run_envoy(find_envoy(), bootstrap(plane.address, delta=delta), port) as envoy:
            assert fetch("--ads", plane.address, *ask)[0] == 0
            assert fetch(f"http://127.0.0.1:{port}", "-o", run)[0] == 0
            level = against(sent, run)
            plane.put("2", listeners={"http": listener("http", 10001, **rds("never", PATIENT))})
            plane.wait(lambda: "warming_state" in json.dumps(envoy.config_dump()))
            assert fetch("--ads", plane.address, *ask)[0] == 0
            assert fetch(f"http://127.0.0.1:{port}", "-o", run)[0] == 0
            waits = against(sent, run)
            plane.put(
                "3",
                clusters={"ratings": eds("ratings", lb_policy="RING_HASH", ring_hash_lb_config=TOO_LARGE)},
                listeners={"own": {"name": "own", "filter_chains": []}},
                routes={"main": routes("main", "reviews", "twice", "twice")},
                endpoints={"ratings": assignment("ratings", "10.4.0.9")},
            )
            plane.wait(lambda: {n.kind for n in plane.nacks} >= {"clusters", "listeners", "routes"})
            plane.wait(lambda: "10.4.0.9" in json.dumps(envoy.config_dump()))
            assert fetch("--ads", plane.address, *ask)[0] == 0
            assert fetch(f"http://127.0.0.1:{port}", "-o", run)[0] == 0
            behind = against(sent, run)

    assert level == (0, "18 equal, 0 differ")
    assert (
        "warming listeners `http`: not ready: it waits for route configuration `never` from ADS; it still" in waits[1]
    )
    assert waits[1].endswith("17 equal, 2 differ")
    assert behind[0] == 1
    lines = [line for line in behind[1].splitlines() if not line.startswith(" ")]
    shown = {line.partition(":")[0]: line for line in lines}
    assert "has rejected an update (its log says why); it still runs version 1" in shown["rejected clusters `ratings`"]
    assert "has rejected an update" in shown["rejected routes `main`"]
    assert "address is necessary; it still runs version 1" in shown["rejected listeners `own`"]
    assert "never came routes `never`" in shown
    assert lines[-1] == "15 equal, 4 differ", behind[1]


TOO_LARGE = {"minimum_ring_size": 9000000}


def against(*paths: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["inspect", *paths, "--against"], catch_exceptions=False, standalone_mode=False)
    return result.return_value, result.stdout.strip()
