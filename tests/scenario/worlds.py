"""Small proxies and scenarios for tests: one listener, one route, a cluster of some hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from envoysim.load import load
from envoysim.load.dump import Dump
from envoysim.model.timeline import Timeline
from envoysim.scenario.play import OnOutcome, Play
from envoysim.scenario.read import read_scenario
from envoysim.stages.proxy import Proxy

HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
FAULT = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
TRAFFIC = "traffic: [{name: web, url: 'http://web.test:8080/', rate: %s}]"


def endpoints(count: int) -> list[str]:
    """Return the addresses of the cluster's hosts."""
    return [f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}:80" for i in range(1, count + 1)]


def bootstrap(
    hosts: int = 3,
    *,
    route: dict[str, Any] | None = None,
    fault: dict[str, Any] | None = None,
    **cluster: Any,
) -> dict[str, Any]:
    """Return a bootstrap whose route for everything goes to cluster ``web``."""
    filters: list[dict[str, Any]] = [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}]
    if fault is not None:
        filters.insert(0, {"name": "envoy.filters.http.fault", "typed_config": {"@type": FAULT, **fault}})
    manager = {
        "@type": HCM,
        "stat_prefix": "web",
        "http_filters": filters,
        "route_config": {
            "name": "web",
            "virtual_hosts": [
                {
                    "name": "web",
                    "domains": ["*"],
                    "routes": [{"name": "all", "match": {"prefix": "/"}, "route": {"cluster": "web", **(route or {})}}],
                }
            ],
        },
    }
    members = [
        {"endpoint": {"address": {"socket_address": {"address": ip, "port_value": int(port)}}}}
        for ip, _, port in (endpoint.partition(":") for endpoint in endpoints(hosts))
    ]
    listener = {
        "name": "web",
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": 8080}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    assignment = {"cluster_name": "web", "endpoints": [{"lb_endpoints": members}]}
    own = {"name": "web", "type": "STATIC", "load_assignment": assignment, **cluster}
    return {"static_resources": {"listeners": [listener], "clusters": [own]}}


def make_dump(tmp_path: Path, **more: Any) -> Dump:
    """Load a bootstrap."""
    import json

    path = tmp_path / "bootstrap.json"
    path.write_text(json.dumps(bootstrap(**more)), encoding="utf-8")
    return load([str(path)])


def make_play(
    dump: Dump,
    tmp_path: Path,
    text: str,
    *,
    seed: int = 7,
    beaten_paths: bool = True,
    on_outcome: OnOutcome | None = None,
) -> Play:
    """Read a scenario for ``dump`` and get ready to play it."""
    path = tmp_path / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    scenario = read_scenario(str(path), dump)
    return Play(Proxy(dump, scenario.runtime), scenario, seed, beaten_paths=beaten_paths, on_outcome=on_outcome)


def play(dump: Dump, tmp_path: Path, text: str, **more: Any) -> Timeline:
    """Play a scenario to its end."""
    made = make_play(dump, tmp_path, text, **more)
    made.run()
    return made.timeline()
