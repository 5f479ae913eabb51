"""What came, as the sections of a config_dump: what a proxy that got this would say of itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError

from ..load.encode import to_json
from ..load.resource import TYPES
from ..schema import Msg, enum_name, unpack
from .holdings import Held, Holdings, Rejected
from .hosts import LocalityKey, finer_health, shown

ADMIN = "type.googleapis.com/envoy.admin.v3."


def sections(holdings: Holdings, node: Msg) -> list[dict[str, Any]]:
    """Return the sections, in Envoy's order; the lists are made while they are written."""
    return [
        {"@type": ADMIN + "BootstrapConfigDump", "bootstrap": {"node": to_json(node)}},
        {
            "@type": ADMIN + "ClustersConfigDump",
            "version_info": holdings.versions.get("cluster", ""),
            "dynamic_active_clusters": _listed(holdings, "cluster", "cluster", warming=False),
            "dynamic_warming_clusters": _listed(holdings, "cluster", "cluster", warming=True),
        },
        {"@type": ADMIN + "EcdsConfigDump", "ecds_filters": _listed(holdings, "extension_config", "ecds_filter")},
        {"@type": ADMIN + "EndpointsConfigDump", "dynamic_endpoint_configs": _endpoints(holdings, node)},
        {
            "@type": ADMIN + "ListenersConfigDump",
            "version_info": holdings.versions.get("listener", ""),
            "dynamic_listeners": _listeners(holdings),
        },
        {"@type": ADMIN + "ScopedRoutesConfigDump", "dynamic_scoped_route_configs": _scoped(holdings)},
        {
            "@type": ADMIN + "RoutesConfigDump",
            "static_route_configs": _inline_routes(holdings),
            "dynamic_route_configs": _listed(holdings, "route_configuration", "route_config"),
        },
        {"@type": ADMIN + "SecretsConfigDump", "dynamic_active_secrets": _secrets(holdings)},
    ]


def _any(kind: str, held: Held) -> dict[str, Any]:
    """The resource as JSON; the type first, as in an Any."""
    return {"@type": f"type.googleapis.com/{TYPES[kind]}", **to_json(held.message(kind))}


def _listed(holdings: Holdings, kind: str, field: str, *, warming: bool = False) -> Iterator[dict[str, Any]]:
    for held in list(holdings.serving(kind)):
        if holdings.waits(held) == warming and (made := _made(holdings, kind, held)) is not None:
            yield {"version_info": held.version, field: made}
    if not warming:
        for item in _rejected(holdings, kind):
            yield {"error_state": _error(item)}


def _made(holdings: Holdings, kind: str, held: Held) -> dict[str, Any] | None:
    """The JSON, unless something deep inside does not decode: that is seen only now."""
    try:
        return _any(kind, held)
    except (DecodeError, RecursionError):
        reason = f"an Any in it does not decode: {held.name}"
        holdings.rejected[kind, held.name] = Rejected(kind, held.name, held.version, reason)
        return None


def _rejected(holdings: Holdings, kind: str) -> list[Rejected]:
    return [item for key, item in sorted(holdings.rejected.items()) if item.kind == kind]


def _error(item: Rejected) -> dict[str, Any]:
    failed: dict[str, Any] = {"@type": f"type.googleapis.com/{TYPES[item.kind]}", **(item.failed or {})}
    if item.name:
        failed["cluster_name" if item.kind == "endpoint" else "name"] = item.name
    return {"failed_configuration": failed, "version_info": item.version, "details": item.reason}


def _listeners(holdings: Holdings) -> Iterator[dict[str, Any]]:
    for held in list(holdings.serving("listener")):
        made = _made(holdings, "listener", held)
        if made is not None:
            state = "warming_state" if holdings.waits(held) else "active_state"
            yield {"name": held.name, state: {"version_info": held.version, "listener": made}}
    for item in _rejected(holdings, "listener"):
        yield {"name": item.name, "error_state": _error(item)}


def _scoped(holdings: Holdings) -> Iterator[dict[str, Any]]:
    scopes = [_any("scoped_route", held) for held in holdings.serving("scoped_route")]
    version = holdings.versions.get("scoped_route", "")
    for held in holdings.serving("listener"):
        for manager in _managers(held.message("listener")):
            if manager.scoped_routes.HasField("scoped_rds"):
                yield {
                    "name": manager.scoped_routes.name,
                    "version_info": version,
                    "scoped_route_configs": scopes,
                }


def _inline_routes(holdings: Holdings) -> Iterator[dict[str, Any]]:
    """Envoy lists the routes that stand in a listener itself, too."""
    for held in holdings.serving("listener"):
        for manager in _managers(held.message("listener")):
            if manager.HasField("route_config"):
                routes = to_json(manager.route_config)
                yield {"route_config": {"@type": f"type.googleapis.com/{TYPES['route_configuration']}", **routes}}


def _managers(listener: Msg) -> Iterator[Msg]:
    chains = [*listener.filter_chains]
    if listener.HasField("default_filter_chain"):
        chains.append(listener.default_filter_chain)
    for chain in chains:
        for item in chain.filters:
            config = unpack(item.typed_config)
            if config is not None and config.DESCRIPTOR.name == "HttpConnectionManager":
                yield config


def _secrets(holdings: Holdings) -> Iterator[dict[str, Any]]:
    for held in list(holdings.serving("secret")):
        made = _made(holdings, "secret", held)
        if made is not None:
            yield {"name": held.name, "version_info": held.version, "secret": made}


def _endpoints(holdings: Holdings, node: Msg) -> Iterator[dict[str, Any]]:
    """One per cluster whose hosts are given, none for those that ask DNS."""
    own: LocalityKey = (node.locality.region, node.locality.zone, node.locality.sub_zone)
    for name, assignment in _named_assignments(holdings):
        made = to_json(shown(assignment, name, own))
        yield {"endpoint_config": {"@type": f"type.googleapis.com/{TYPES['endpoint']}", **made}}
    for item in _rejected(holdings, "endpoint"):
        yield {"error_state": _error(item)}


def _named_assignments(holdings: Holdings) -> Iterator[tuple[str, Msg]]:
    """Also those that no cluster names, where a client lists them."""
    listed = set()
    for _, name, assignment in _assignments(holdings):
        listed.add(name)
        yield name, assignment
    for name, held in () if holdings.follows else sorted(holdings.held["endpoint"].items()):
        if name not in listed:
            yield name, held.message("endpoint")


def _assignments(holdings: Holdings) -> Iterator[tuple[str, str, Msg]]:
    """Yield (cluster, name of its endpoints, ClusterLoadAssignment) of the clusters that are active."""
    for held in holdings.serving("cluster"):
        if holdings.waits(held):
            continue
        cluster = held.message("cluster")
        kind = enum_name(cluster, "type")
        if cluster.HasField("cluster_type") or kind not in ("EDS", "STATIC", "ORIGINAL_DST"):
            continue
        name = (cluster.eds_cluster_config.service_name if kind == "EDS" else "") or cluster.name
        came = holdings.held["endpoint"].get(name)
        if kind != "EDS":
            yield cluster.name, name, cluster.load_assignment
        else:
            empty = cluster.load_assignment.__class__()
            yield cluster.name, name, came.message("endpoint") if came is not None else empty


def cluster_statuses(holdings: Holdings) -> Iterator[dict[str, Any]]:
    """Yield ``/clusters``' word on the clusters whose endpoints section would hide that a host drains."""
    for cluster, name, assignment in _assignments(holdings):
        status = finer_health(cluster, name if name != cluster else "", assignment)
        if status is not None:
            yield status
