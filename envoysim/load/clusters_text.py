"""``/clusters`` as text: the same facts as ``/clusters?format=json``, one a line, brought into the shape of the JSON.

Source: source/server/admin/clusters_handler.cc (writeClustersAsText) and source/common/upstream/host_utility.cc.
"""

from __future__ import annotations

import re
from typing import Any, Final

# cluster::key::value, or cluster::host::key::value; a host is ip:port (IPv6 in brackets), a pipe or internal
HOST_LINE: Final = re.compile(r"(.+?)::((?:\[[^\]]*\]|[^\[\]:]+):\d+|/.+?|envoy://.+?)::([a-z_]+)::(.*)")
CLUSTER_LINE: Final = re.compile(r"(.+?)::(observability_name|eds_service_name|added_via_api)::(.*)")
FLAGS: Final = {
    "failed_active_hc": "failed_active_health_check",
    "failed_outlier_check": "failed_outlier_check",
    "degraded_active_hc": "failed_active_degraded_check",
    "pending_dynamic_removal": "pending_dynamic_removal",
    "pending_active_hc": "pending_active_hc",
    "excluded_via_immediate_hc_fail": "excluded_via_immediate_hc_fail",
    "active_hc_timeout": "active_hc_timeout",
}
EDS_FLAGS: Final = {
    "failed_eds_health": "UNHEALTHY",
    "degraded_eds_health": "DEGRADED",
    "eds_status_draining": "DRAINING",
}


def is_clusters_text(data: bytes) -> bool:
    """Tell by the first line."""
    line = data.lstrip()[:2000].split(b"\n", 1)[0].decode("utf-8", "replace").rstrip()
    return re.fullmatch(r".+::(observability_name|default_priority|outlier|added_via_api)::.*", line) is not None


def clusters_text(data: bytes) -> dict[str, Any]:
    """Return what ``/clusters?format=json`` would have said."""
    clusters: dict[str, dict[str, Any]] = {}
    hosts: dict[tuple[str, str], dict[str, Any]] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        found = CLUSTER_LINE.fullmatch(line)
        if found is not None:
            cluster = clusters.setdefault(found[1], {"name": found[1], "host_statuses": []})
            cluster[found[2]] = found[3] == "true" if found[2] == "added_via_api" else found[3]
            continue
        found = HOST_LINE.fullmatch(line)
        if found is None:
            continue
        name, address, key, value = found.groups()
        if (name, address) not in hosts:
            hosts[name, address] = {"address": _address(address), "health_status": {}, "locality": {}}
            clusters.setdefault(name, {"name": name, "host_statuses": []})["host_statuses"].append(hosts[name, address])
        _fact(hosts[name, address], key, value)
    return {"cluster_statuses": list(clusters.values())}


def _address(text: str) -> dict[str, Any]:
    ip, _, port = text.rpartition(":")
    if not port.isdigit():
        return {"pipe": {"path": text}}
    return {"socket_address": {"address": ip.strip("[]"), "port_value": int(port)}}


def _fact(host: dict[str, Any], key: str, value: str) -> None:
    if key == "health_flags":
        host["health_status"] = {"eds_health_status": "HEALTHY"}
        for flag in value.strip("/").split("/"):
            if flag in EDS_FLAGS:
                host["health_status"]["eds_health_status"] = EDS_FLAGS[flag]
            elif flag in FLAGS:
                host["health_status"][FLAGS[flag]] = True
    elif key in ("region", "zone", "sub_zone") and value:
        host["locality"][key] = value
    elif key in ("weight", "priority") and value.isdigit():
        host[key] = int(value)
    elif key == "hostname":
        host[key] = value
    elif key == "success_rate" and not value.startswith("-"):
        host[key] = {"value": float(value)}
