"""``/clusters?format=json`` (and ``istioctl proxy-config endpoints``): what Envoy knows of each host right now.

Source: api/envoy/admin/v3/clusters.proto. It is the authority on health: it tells draining, active checks and
ejections apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..lazy_dataclass import dataclass
from .lazy import Node, elements, get, is_list, is_object, plain, text


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host of one cluster; the flags are those of HostHealthStatus."""

    cluster: str
    address: str
    eds_health_status: str = "HEALTHY"
    failed_active_health_check: bool = False
    failed_outlier_check: bool = False
    failed_active_degraded_check: bool = False
    pending_dynamic_removal: bool = False
    pending_active_hc: bool = False
    excluded_via_immediate_hc_fail: bool = False
    active_hc_timeout: bool = False
    weight: int = 1
    priority: int = 0
    hostname: str = ""
    success_rate: float | None = None


def is_clusters(root: Node) -> bool:
    """Tell whether the document is a list of cluster statuses."""
    if is_object(root):
        return is_list(get(root, "cluster_statuses"))
    if not is_list(root) or not len(root):
        return False
    return is_object(root[0]) and (
        get(root[0], "host_statuses") is not None or get(root[0], "added_via_api") is not None
    )


def has_configs(root: Node) -> bool:
    """Tell whether a config_dump stands in the same document, as ``envoysim fetch`` writes both."""
    return is_object(root) and is_list(get(root, "configs"))


def host_statuses(root: Node) -> Iterator[HostStatus]:
    """Yield every host of every cluster."""
    for cluster in _clusters(root):
        for _, host in elements(cluster, "host_statuses"):
            yield _status(text(cluster, "name"), host)


def active(root: Node) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield (cluster, what its hosts have in flight together): the gauges ``cx_active`` and ``rq_active``."""
    for cluster in _clusters(root):
        sums: dict[str, int] = {}
        for _, host in elements(cluster, "host_statuses"):
            for _, stat in elements(host, "stats"):
                if text(stat, "name") in ("cx_active", "rq_active"):
                    sums[text(stat, "name")] = sums.get(text(stat, "name"), 0) + int(get(stat, "value") or 0)
        yield text(cluster, "name"), sums


def load_assignments(root: Node) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (cluster, ClusterLoadAssignment as JSON): endpoints for a dump that was taken without EDS."""
    for cluster in _clusters(root):
        groups: dict[tuple[int, str], dict[str, Any]] = {}
        for _, host in elements(cluster, "host_statuses"):
            locality = plain(get(host, "locality")) or {}
            priority = get(host, "priority") or 0
            group = groups.setdefault(
                (priority, str(locality)), {"locality": locality, "priority": priority, "lb_endpoints": []}
            )
            endpoint = {"address": plain(get(host, "address")), "hostname": text(host, "hostname")}
            status = text(get(host, "health_status") or {}, "eds_health_status")
            group["lb_endpoints"].append(
                {
                    "endpoint": endpoint,
                    "health_status": status or "HEALTHY",
                    "load_balancing_weight": get(host, "weight") or 1,
                }
            )
        name = text(cluster, "eds_service_name") or text(cluster, "name")
        yield name, {"cluster_name": name, "endpoints": [groups[key] for key in sorted(groups)]}


def _clusters(root: Node) -> Iterator[Node]:
    yield from get(root, "cluster_statuses") if is_object(root) else root


def _address(address: Node) -> str:
    pipe = get(address, "pipe")
    if pipe is not None:
        return text(pipe, "path")
    socket = get(address, "socket_address") or {}
    ip, port = text(socket, "address"), get(socket, "port_value") or 0
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _status(cluster: str, host: Node) -> HostStatus:
    health = get(host, "health_status") or {}
    rate = get(host, "success_rate")
    return HostStatus(
        cluster=cluster,
        address=_address(get(host, "address") or {}),
        eds_health_status=text(health, "eds_health_status") or "HEALTHY",
        failed_active_health_check=bool(get(health, "failed_active_health_check")),
        failed_outlier_check=bool(get(health, "failed_outlier_check")),
        failed_active_degraded_check=bool(get(health, "failed_active_degraded_check")),
        pending_dynamic_removal=bool(get(health, "pending_dynamic_removal")),
        pending_active_hc=bool(get(health, "pending_active_hc")),
        excluded_via_immediate_hc_fail=bool(get(health, "excluded_via_immediate_hc_fail")),
        active_hc_timeout=bool(get(health, "active_hc_timeout")),
        weight=int(get(host, "weight") or 1),
        priority=int(get(host, "priority") or 0),
        hostname=text(host, "hostname"),
        success_rate=float(get(rate, "value") or 0.0) if is_object(rate) else None,
    )
