"""Clusters without anything around them, and the exact shares of their hosts."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from envoysim.explore import Scripted
from envoysim.load import load
from envoysim.model.chance import Sampled
from envoysim.model.world import State, World
from envoysim.stages.cluster import Cluster
from envoysim.stages.load_balancer import Host, LbContext, NoHost, Unknown, choose_host
from envoysim.stages.proxy import Proxy
from envoysim.stages.stream import Telling

Json = dict[str, Any]
POLICIES = "type.googleapis.com/envoy.extensions.load_balancing_policies"


def endpoint(
    name: str, health: str = "UNKNOWN", weight: int | None = None, lb: Json | None = None, **more: Any
) -> Json:
    """One LbEndpoint; ``name`` ``a1`` stands for 10.0.0.1 with a port made of its letter (``a`` is 1001)."""
    port = 1000 + ord(name[0]) - ord("a") + 1
    found: Json = {
        "endpoint": {"address": {"socket_address": {"address": f"10.0.0.{name[1:]}", "port_value": port}}, **more},
        "health_status": health,
    }
    if weight is not None:
        found["load_balancing_weight"] = weight
    if lb is not None:
        found["metadata"] = {"filter_metadata": {"envoy.lb": lb}}
    return found


def address(name: str) -> str:
    """The endpoint text of a name."""
    return f"10.0.0.{name[1:]}:{1000 + ord(name[0]) - ord('a') + 1}"


def named(text: str) -> str:
    """The name of an endpoint's text."""
    ip, _, port = text.partition(":")
    return chr(int(port) - 1001 + ord("a")) + ip.rpartition(".")[2]


def group(*endpoints: Json, priority: int = 0, zone: str = "", weight: int | None = None) -> Json:
    """One LocalityLbEndpoints."""
    found: Json = {"lb_endpoints": list(endpoints), "priority": priority}
    if zone:
        found["locality"] = {"zone": zone}
    if weight is not None:
        found["load_balancing_weight"] = weight
    return found


def cluster_json(*groups: Json, name: str = "c", policy: Json | None = None, **fields: Any) -> Json:
    """A STATIC cluster; ``policy`` is of the assignment."""
    assignment = {"cluster_name": name, "endpoints": list(groups), **({"policy": policy} if policy else {})}
    return {"name": name, "load_assignment": assignment, **fields}


def make_proxy(*clusters: Json, node: Json | None = None, **bootstrap: Any) -> Proxy:
    """A proxy of clusters alone."""
    document = {"static_resources": {"clusters": list(clusters)}, **bootstrap, **({"node": node} if node else {})}
    return Proxy(load([json.dumps(document).encode()]))


def make_cluster(*groups: Json, **fields: Any) -> Cluster:
    """One compiled cluster."""
    found = make_proxy(cluster_json(*groups, **fields)).cluster("c")
    assert found is not None
    return found


def choose(
    cluster: Cluster,
    context: LbContext | None = None,
    world: World | None = None,
    state: State | None = None,
    telling: Telling | None = None,
) -> Host | NoHost | Unknown:
    """Choose once."""
    telling = telling or Telling(False)
    return choose_host(cluster, context or LbContext(), world or World(), state or State(), telling)


def shares(cluster: Cluster, **context: Any) -> dict[str, float]:
    """Return the exact share of every host (``-`` for none), over every random choice of a fresh worker."""
    found: dict[str, float] = {}
    scripts: list[tuple[int, ...]] = [()]
    while scripts:
        script = scripts.pop()
        chance = Scripted(script)
        host = choose(cluster, LbContext(**context), World(chance=chance))
        taken = tuple(branch for branch, _ in chance.branches)
        for position in range(len(script), len(taken)):
            branch, weights = chance.branches[position]
            scripts += [(*taken[:position], i) for i, weight in enumerate(weights) if i != branch and weight > 0]
        share = math.prod(weights[branch] for branch, weights in chance.branches)
        key = named(host.endpoint) if isinstance(host, Host) else "-"
        found[key] = found.get(key, 0.0) + share
    return {name: round(share, 12) for name, share in sorted(found.items())}


def sequence(cluster: Cluster, count: int, seed: int = 1, health: Mapping[str, str] | None = None) -> list[str]:
    """Choose ``count`` times with one worker."""
    world, state = World(chance=Sampled(seed), health=health or {}), State()
    chosen = [choose(cluster, world=world, state=state) for _ in range(count)]
    return [named(host.endpoint) if isinstance(host, Host) else "-" for host in chosen]


def tally(names: Sequence[str]) -> dict[str, int]:
    """Count."""
    return dict(sorted(Counter(names).items()))
