"""What clusters are used for, and the options that lie in extensions."""

from __future__ import annotations

from ..schema import Msg, any_type, enum_name, unpack
from .subject import ClusterItem, RouteItem, Subject

OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def http_options(cluster: ClusterItem) -> Msg | None:
    """Return a cluster's ``HttpProtocolOptions``."""
    config = cluster.msg.typed_extension_protocol_options.get(OPTIONS)
    return None if config is None or any_type(config) != OPTIONS else unpack(config)


def routed_clusters(subject: Subject) -> dict[str, list[RouteItem]]:
    """Return the routes that name each cluster."""
    found: dict[str, list[RouteItem]] | None = subject.memory.get("routed_clusters")
    if found is None:
        found = subject.memory["routed_clusters"] = {}
        for route in subject.forwards:
            for name, _ in subject.cluster_names(route):
                found.setdefault(name, []).append(route)
    return found


def lb_policy_name(cluster: ClusterItem) -> str:
    """Name the balancer: the legacy enum's word, or the extension's type in the same words."""
    policies = cluster.msg.load_balancing_policy.policies
    if not policies:
        return enum_name(cluster.msg, "lb_policy")
    kind = any_type(policies[0].typed_extension_config.typed_config).rsplit(".", 1)[-1]
    return {"RingHash": "RING_HASH", "Maglev": "MAGLEV"}.get(kind, kind)
