"""Problems people had: the proxy's dump and the request are given, and what the real Envoy made of them.

The cases are not part of the project; where they are not at hand the tests are skipped.
"""

from __future__ import annotations

import copy
import json
import shlex
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from envoysim.cli.main import cli
from envoysim.load import load
from envoysim.model.behaviour import Behaviour
from envoysim.model.chance import Sampled
from envoysim.model.request import Connection, Request
from envoysim.model.world import World
from envoysim.run import run
from envoysim.stages.proxy import Proxy

Json = dict[str, Any]
Edit = Callable[[Json], None]
FOLDER = Path(__file__).parents[3] / "shared" / "debugbench"
CASES = {path.name[:2]: path for path in sorted(FOLDER.glob("[0-9]*"))}
UPSTREAM = {
    "02": ["--upstream", "*=404"],
    "07": ["--upstream", "*=200 after 25s"],
    "08": ["--upstream", "*=200 after 6s, 200"],
    "10": ["--set", "127.0.0.1:21114=unhealthy", "--set", "127.0.0.1:21115=unhealthy"],
    "12": ["--upstream", "*=plaintext"],
    "14": ["--upstream", "*=101"],
}
"""What the question says about the upstream, in the words of ``trace``."""

pytestmark = pytest.mark.skipif(not CASES, reason="the cases are not at hand")


def parts(dump: Json, kind: str) -> Json:
    """The section of a dump whose type ends with ``kind``."""
    return next(section for section in dump["configs"] if section["@type"].endswith("." + kind))


def at(dump: Json, pointer: str, up: int = 0) -> Any:
    """What a JSON pointer leads to, less its last ``up`` steps."""
    steps = pointer.split("/")[1:]
    value: Any = dump
    for step in steps[: len(steps) - up]:
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def put(pointer: str, up: int, **fields: Any) -> Edit:
    """Set fields of what is ``up`` steps above ``pointer``; a last step that is missing is made."""

    def edit(dump: Json) -> None:
        above = at(dump, pointer, up + 1)
        step = pointer.split("/")[-1 - up]
        target = above[int(step)] if isinstance(above, list) else above.setdefault(step, {})
        target.update(fields)

    return edit


def pointer_of(number: str) -> str:
    return str(json.loads((CASES[number] / "case.json").read_text())["root_cause_pointer"])


def trace(dump: Json, case: Json, tmp_path: Path, upstream: list[str]) -> Json:
    """Run ``envoysim trace`` with the words of the case's curl line."""
    told: Json = json.loads(trace_text(dump, case, tmp_path, [*upstream, "-o", "json"]))
    return told


def trace_text(dump: Json, case: Json, tmp_path: Path, more: list[str]) -> str:
    """What ``envoysim trace`` prints, with ``more`` options."""
    source = tmp_path / "dump.json"
    source.write_text(json.dumps(dump))
    asked = case["request"]
    headers = [("Host", asked["authority"]), *asked["headers"].items()]
    flags = [flag for name, value in headers for flag in ("-H", f"{name}: {value}")]
    host = asked.get("sni") or "127.0.0.1"
    url = f"{asked['scheme']}://{host}:{asked['port']}{asked['path']}"
    resolve = ["--resolve", f"{host}:{asked['port']}:127.0.0.1"]
    arguments = ["trace", str(source), url, "-X", asked["method"], *flags, *resolve, *more]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, shlex.join(arguments) + result.output
    return result.stdout


def summary(outcome: Json) -> tuple[Any, ...]:
    """Status, flags, details."""
    flags = ",".join(sorted(outcome["response_flags"])) or "-"
    return outcome["status"], flags, outcome["response_code_details"]


@pytest.mark.parametrize("number", CASES)
def test_the_outcome_is_envoys(number: str, tmp_path: Path) -> None:
    folder = CASES[number]
    dump, case = json.loads((folder / "dump.json").read_text()), json.loads((folder / "case.json").read_text())
    observed = case["observed"]
    wanted = (
        observed["status"],
        ",".join(sorted(observed["response_flags"].split(","))),
        observed["response_code_details"],
    )
    if "concurrency" in case["request"]:
        outcomes = at_once(dump, case)
    else:
        told = trace(dump, case, tmp_path, UPSTREAM.get(number, []))
        outcomes = [share["outcome"] for share in told.get("shares", [])] or [told["outcome"]]

    same = [o for o in outcomes if summary(o) == wanted]
    assert same, [summary(o) for o in outcomes]
    if observed["attempts"]:
        assert {o["cluster"] for o in same} == {observed["cluster"]}


def at_once(dump: Json, case: Json, seed: int = 0) -> list[Json]:
    """As many requests at the same moment as the case says; each takes 0.6 s."""
    asked = case["request"]
    connection = Connection(destination=f"127.0.0.1:{asked['port']}")
    slow = (Behaviour(delay_ms=600),)
    one = Request(connection=connection, authority=asked["authority"], path=asked["path"], upstream=slow, at_ms=0.0)
    requests = [replace(one, id=str(i)) for i in range(asked["concurrency"])]
    proxy, world = Proxy(load([json.dumps(dump).encode()])), World(chance=Sampled(seed))
    outcomes = [told.outcome for told in run(proxy, requests, world)]
    return [
        {
            "status": o.status,
            "response_flags": list(o.response_flags),
            "response_code_details": o.response_code_details,
            "cluster": o.cluster,
        }
        for o in outcomes
    ]


def test_of_twelve_requests_at_once_three_are_answered() -> None:
    """Or four: a host that has no connection yet gets one beyond ``max_connections``, and who is chosen is drawn."""
    folder = CASES["09"]
    dump, case = json.loads((folder / "dump.json").read_text()), json.loads((folder / "case.json").read_text())

    answered = {Counter(o["status"] for o in at_once(dump, case, seed))[200] for seed in range(20)}

    assert answered == {3, 4}


def _ports_too(dump: Json) -> None:
    at(dump, pointer_of("01")).append("shop.example:*")


def _longer_first(dump: Json) -> None:
    at(dump, pointer_of("02"), 3).reverse()


def _by_segment(dump: Json) -> None:
    for route in at(dump, pointer_of("02"), 3):
        route["match"]["path_separated_prefix"] = route["match"].pop("prefix")


def _no_condition(dump: Json) -> None:
    del at(dump, pointer_of("03"), 2)["headers"]


def _options_too(dump: Json) -> None:
    routes = at(dump, pointer_of("04"), 4)
    second = copy.deepcopy(routes[0])
    condition = next(h for h in second["match"]["headers"] if h["name"] == ":method")
    condition["string_match"] = {"exact": "OPTIONS"}
    routes.append(second)


def _by_address(dump: Json) -> None:
    address = {"direct_remote_ip": {"address_prefix": "127.0.0.0", "prefix_len": 8}}
    at(dump, pointer_of("06"), 1).append(address)


def _roomy(dump: Json) -> None:
    at(dump, pointer_of("09")).update(max_connections=1024, max_pending_requests=1024, max_requests=1024)


def _third_cluster(dump: Json) -> None:
    name = at(dump, pointer_of("11"))
    clusters = parts(dump, "ClustersConfigDump")["dynamic_active_clusters"]
    stem = name.split("|")[-1]
    other = copy.deepcopy(
        next(c for c in clusters if c["cluster"]["name"].endswith(stem) and "|v" in c["cluster"]["name"])
    )
    known = other["cluster"]["name"]
    clusters.append(json.loads(json.dumps(other).replace(known, name)))
    endpoints = parts(dump, "EndpointsConfigDump")["dynamic_endpoint_configs"]
    of_known = next(e for e in endpoints if e["endpoint_config"]["cluster_name"] == known)
    endpoints.append(json.loads(json.dumps(of_known).replace(known, name)))


def _plain(dump: Json) -> None:
    del at(dump, pointer_of("12"), 1)["transport_socket"]


def _one_chain(dump: Json) -> None:
    chains = at(dump, pointer_of("13"), 3)
    chains[0]["filter_chain_match"]["server_names"] = ["*.shop.example"]
    del chains[1:]
    first, second = (c["route_config"] for c in parts(dump, "RoutesConfigDump")["dynamic_route_configs"][:2])
    first["virtual_hosts"] += second["virtual_hosts"]


def _upgrade(dump: Json) -> None:
    at(dump, pointer_of("14")).append({"upgrade_type": "tailscale-control-protocol"})


def fixes() -> list[Any]:
    """Number, change, edit, and what the real Envoy answered then."""
    if not CASES:
        return []
    root = {number: pointer_of(number) for number in CASES}
    rows: list[tuple[str, Edit, tuple[int, str]]] = [
        ("01", _ports_too, (200, "via_upstream")),
        ("01", put(root["01"], 3, ignore_port_in_host_matching=True), (200, "via_upstream")),
        ("01", put(root["01"], 4, strip_any_host_port=True), (200, "via_upstream")),
        ("01", put(root["01"], 4, strip_matching_host_port=True), (200, "via_upstream")),
        ("02", _longer_first, (404, "test-root1")),
        ("02", _by_segment, (404, "test-root1")),
        ("03", put(root["03"], 0, treat_missing_header_as_empty=True), (200, "via_upstream")),
        ("03", _no_condition, (200, "via_upstream")),
        ("04", _options_too, (200, "cors_response")),
        ("05", put(root["05"], 1, merge_slashes=True), (403, "rbac_access_denied_matched_policy")),
        ("06", _by_address, (200, "via_upstream")),
        ("07", put(root["07"], 1, timeout="60s"), (200, "via_upstream")),
        ("08", put(root["08"], 2, timeout="8s"), (200, "via_upstream")),
        ("11", _third_cluster, (200, "via_upstream")),
        ("12", _plain, (200, "via_upstream")),
        ("13", _one_chain, (200, "service2")),
        ("14", _upgrade, (101, "headscale")),
        ("10", put(root["10"], 1, healthy_panic_threshold={"value": 0}), (503, "no_healthy_upstream")),
        ("10", put(root["10"], 1, zone_aware_lb_config={"fail_traffic_on_panic": True}), (503, "no_healthy_upstream")),
    ]
    return [pytest.param(*row, id=f"{row[0]}-{i}") for i, row in enumerate(rows)]


@pytest.mark.parametrize(("number", "edit", "wanted"), fixes())
def test_a_fix_changes_the_outcome(number: str, edit: Edit, wanted: tuple[int, str], tmp_path: Path) -> None:
    folder = CASES[number]
    dump, case = json.loads((folder / "dump.json").read_text()), json.loads((folder / "case.json").read_text())
    edit(dump)
    told = trace(dump, case, tmp_path, UPSTREAM.get(number, []))

    outcomes = [share["outcome"] for share in told.get("shares", [])] or [told["outcome"]]
    assert {o["status"] for o in outcomes} == {wanted[0]}
    assert all(wanted[1] in f"{o['response_code_details']} {o['cluster']}" for o in outcomes)


def with_room() -> Counter[int | None]:
    """The statuses of twelve requests at once under raised thresholds."""
    folder = CASES["09"]
    dump, case = json.loads((folder / "dump.json").read_text()), json.loads((folder / "case.json").read_text())
    _roomy(dump)
    return Counter(o["status"] for o in at_once(dump, case))


def test_with_room_all_twelve_are_answered() -> None:
    assert with_room() == {200: 12}
