"""Client status of a real gRPC application, and of control planes that tell it for their clients."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from envoysim.cli.main import cli
from envoysim.load import load
from envoysim.load.decode import decode_message
from envoysim.model.ref import NOWHERE
from envoysim.schema import Msg

from .control_plane import STATUS, TYPES, ControlPlane
from .mesh import HTTP, ROUTER, URL, assignment, eds, rds, routes
from .test_admin import fetch

APPLICATION = Path(__file__).with_name("grpc_application.py")
MANAGER = {"@type": URL + HTTP + "HttpConnectionManager", "http_filters": [ROUTER], **rds("greeter-routes")}


@contextmanager
def application(plane: ControlPlane) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, str(APPLICATION), plane.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    try:
        yield f"127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


@pytest.mark.slow
def test_a_grpc_application(tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    with ControlPlane() as plane:
        plane.put(
            "1",
            listeners={"greeter": {"name": "greeter", "api_listener": {"api_listener": MANAGER}}},
            routes={"greeter-routes": routes("greeter-routes", "greeters", "greeter")},
            clusters={"greeters": eds("greeters"), "other": eds("other")},
            endpoints={"greeters": assignment("greeters", "127.0.0.1")},
        )
        with application(plane) as address:
            plane.wait(lambda: any(kind == "endpoints" for kind, _ in plane.asked))
            plane.put("2", clusters={"greeters": eds("greeters", lb_policy="MAGLEV")})  # gRPC refuses it
            plane.wait(lambda: plane.nacks)
            code, said = fetch("--csds", address, "-o", str(path))

    assert code == 0, said
    dump = load(path)
    assert [resource.name for resource in dump.listeners] == ["greeter"]
    assert list(dump.route_configurations) == ["greeter-routes"]
    assert dump.clusters["greeters"].version == "1"
    assert dump.load_assignments["greeters"].message().endpoints[0].lb_endpoints[0].endpoint.HasField("address")
    (rejected,) = (resource for resource in dump.all_resources if resource.state == "error")
    assert (rejected.kind, rejected.name) == ("cluster", "greeters")
    assert "lb_policy" in (rejected.problem or "").lower()
    assert ("listener", "absent") in {(item["kind"], item["name"]) for item in dump.fetched[0]["missing"]}
    inspected = CliRunner().invoke(cli, ["inspect", str(path)], catch_exceptions=False, standalone_mode=False).stdout
    assert "missing: listener `absent` was asked for and never came" in inspected
    assert "error clusters `greeters`: " in inspected


def client(node: str, **more: Any) -> dict[str, Any]:
    return {"node": {"id": node}, **more}


def generic(kind: str, resource: dict[str, Any], **more: Any) -> dict[str, Any]:
    url = URL + TYPES[kind]
    return {"type_url": url, "name": resource.get("name"), "xds_config": {"@type": url, **resource}, **more}


def status(*clients: dict[str, Any]) -> Msg:
    return decode_message(STATUS + "ClientStatusResponse", {"config": list(clients)}, NOWHERE, [])


ROUTES = routes("r", "c")
OLD = {
    "route_config": {
        "dynamic_route_configs": [
            {"version_info": "9", "route_config": {"@type": URL + TYPES["routes"], **ROUTES}},
        ]
    }
}


def fetched(response: Msg | bytes, tmp_path: Path, *arguments: str) -> tuple[int, str, Path]:
    with ControlPlane() as plane:
        plane.client_status = response
        code, said = fetch("--csds", plane.address, *arguments, "-o", str(tmp_path / "dump.json"))
    return code, said, tmp_path / "dump.json"


def test_sections_as_older_servers_send_them(tmp_path: Path) -> None:
    code, _, path = fetched(status(client("a", xds_config=[OLD])), tmp_path)

    assert code == 0
    assert load(path).route_configurations["r"].version == "9"


def test_one_of_several_clients(tmp_path: Path) -> None:
    clients = [client(n, generic_xds_configs=[generic("routes", routes(n, "c"), client_status="ACKED")]) for n in "ab"]

    code, said, path = fetched(status(*clients), tmp_path)
    assert (code, "several clients: `a`, `b`" in said) == (2, True)
    assert not path.exists()
    code, said, path = fetched(status(*clients), tmp_path, "--node-id", "b")
    assert code == 0, said
    assert list(load(path).route_configurations) == ["b"]


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (status(), "it knows no client"),
        (b"\xff\xff\xff", "what it sent is no ClientStatusResponse"),
    ],
)
def test_unusable_answers(tmp_path: Path, response: Msg | bytes, message: str) -> None:
    code, said, path = fetched(response, tmp_path)

    assert code == 2
    assert message in said
    assert not path.exists()


def test_what_does_not_decode_is_noted(tmp_path: Path) -> None:
    broken = {"type_url": URL + TYPES["routes"], "value": "/////w=="}
    good = generic("routes", ROUTES, client_status="ACKED", version_info="3")
    bad = {**generic("routes", routes("broken", "c")), "xds_config": broken}

    code, said, path = fetched(status(client("a", generic_xds_configs=[good, bad])), tmp_path)

    assert code == 0
    assert "route configuration `broken` was rejected: it does not decode" in said
    record = json.loads(path.read_text())["envoysim_fetch"]
    assert record["rejected"][0]["name"] == "broken"
    assert list(load(path).route_configurations) == ["r"]
