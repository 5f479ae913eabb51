"""Dumps that have route configurations but no listeners: a listener for each, so that they run as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..load.dump import Dump
from .rebuild_clusters import placeholder_cluster
from .rebuild_http import HCM
from .v3_json import v3_json

if TYPE_CHECKING:
    from .rebuild import Rebuilt

Json = dict[str, Any]
DEFAULT_PORT = 80


def listeners_for_routes(dump: Dump, made: Rebuilt) -> list[Json]:
    """Return a listener per route configuration, each change said in ``made``; none where the dump has listeners."""
    if dump.listeners:
        return []
    listeners = []
    for name in dump.route_configurations:
        made.change(f"route configuration `{name}`: a listener made for it, the dump has none")
        manager = {"@type": HCM, "stat_prefix": "envoysim", "rds": {"route_config_name": name}}
        port = int(name) if name.isdigit() and 0 < int(name) < 65536 else DEFAULT_PORT
        listeners.append(
            {
                "name": f"routes {name}",
                "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},
                "filter_chains": [{"name": name, "filters": [{"name": "hcm", "typed_config": manager}]}],
            }
        )
    return listeners


def clusters_for_routes(dump: Dump, made: Rebuilt) -> list[Json]:
    """Return a cluster of one endpoint for each name that routes use; none where the dump has listeners or clusters."""
    if dump.listeners or dump.clusters:
        return []
    names: dict[str, None] = {}
    for resource in dump.route_configurations.values():
        names.update(dict.fromkeys(_clusters(v3_json(resource))))
    for name in names:
        made.change(f"cluster `{name}`: made up, the dump has no clusters")
    return [placeholder_cluster(name, made) for name in names]


def _clusters(value: Any) -> Iterator[str]:
    """The cluster names anywhere in a route configuration."""
    if isinstance(value, list):
        for item in value:
            yield from _clusters(item)
    elif isinstance(value, dict):
        if isinstance(value.get("cluster"), str):
            yield value["cluster"]
        for entry in value.get("weighted_clusters", {}).get("clusters", []):
            if entry.get("name"):
                yield entry["name"]
        for item in value.values():
            yield from _clusters(item)
