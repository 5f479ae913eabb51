"""From a dump to a bootstrap that a real Envoy can run alone on loopback; every change is listed.

Nothing outside loopback can be reached from the result: endpoints become scripted upstreams, certificates are
generated, filters that call other services or are in no public build are taken out.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from ..lazy_dataclass import dataclass
from ..load.dump import Dump
from .rebuild_clusters import rebuild_cluster
from .rebuild_listeners import bind_unreachable, rebuild_listener
from .rebuild_routes import clusters_for_routes, listeners_for_routes
from .v3_json import v3_json

Json = dict[str, Any]


@dataclass(slots=True)
class Rebuilt:
    """The runnable bootstrap, where its listeners are, which loopback endpoint stands for which, what was changed."""

    bootstrap: Json
    listeners: dict[str, str] = field(default_factory=dict)
    """Listener name -> ``127.0.0.1:port``; listeners without a port of their own are reached by hand-off."""
    original: dict[str, str] = field(default_factory=dict)
    """Listener name -> the address it has in the dump."""
    endpoints: dict[str, str] = field(default_factory=dict)
    """Cluster and ``ip:port`` of the dump -> loopback ``ip:port``."""
    cluster_of: dict[str, str] = field(default_factory=dict)
    """Loopback ``ip:port`` -> cluster."""
    changes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Why listeners do not run here."""

    def change(self, text: str) -> None:
        """Say a change once."""
        if text not in self.changes:
            self.changes.append(text)

    def leave_out(self, text: str) -> None:
        """Say why a listener, or a chain of it, does not run."""
        self.change(text)
        self.left_out.append(text)


def rebuild(dump: Dump) -> Rebuilt:
    """Make ``dump`` runnable."""
    made = Rebuilt({"node": _node(dump), "static_resources": {"listeners": [], "clusters": []}})
    clusters = [rebuild_cluster(dump, name, made) for name in dump.clusters]
    made.bootstrap["static_resources"]["clusters"] = clusters + clusters_for_routes(dump, made)
    for source in [*map(v3_json, dump.listeners), *listeners_for_routes(dump, made)]:
        listener = rebuild_listener(dump, source, made)
        if listener is not None:
            made.bootstrap["static_resources"]["listeners"].append(listener)
    bind_unreachable(made.bootstrap["static_resources"]["listeners"], made)
    made.bootstrap["layered_runtime"] = {"layers": [*_runtime(dump), OLD_FIELDS]}
    return made


OLD_FIELDS = {
    "name": "envoysim",
    "static_layer": {"envoy.features.enable_all_deprecated_features": True},
}
"""Dumps of older proxies run too."""


def _node(dump: Dump) -> Json:
    node = v3_json(dump.bootstrap).get("node", {}) if dump.bootstrap is not None else {}
    kept = {k: node[k] for k in ("id", "cluster", "locality", "metadata") if k in node}
    return {"id": "envoysim", "cluster": "envoysim", **kept}


def _runtime(dump: Dump) -> list[Json]:
    bootstrap = v3_json(dump.bootstrap) if dump.bootstrap is not None else {}
    return [layer for layer in bootstrap.get("layered_runtime", {}).get("layers", []) if "static_layer" in layer]
