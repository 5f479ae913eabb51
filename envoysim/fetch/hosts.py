"""Endpoints as ``/config_dump?include_eds`` prints them: the hosts a cluster makes of a ClusterLoadAssignment.

Source: ConfigDumpHandler::dumpEndpointConfigs and PriorityStateManager::updateClusterPrioritySet.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from typing import Any, Final

from ..schema import Msg, enum_name, new

COARSE: Final = {
    **dict.fromkeys(("UNKNOWN", "HEALTHY"), "HEALTHY"),
    **dict.fromkeys(("UNHEALTHY", "DRAINING", "TIMEOUT"), "UNHEALTHY"),
    "DEGRADED": "DEGRADED",
}
WELL: Final = (0, 1)
"""UNKNOWN and HEALTHY, as numbers: this is looked at for every host."""
DEFAULT_OVERPROVISIONING: Final = 140
MILLION: Final = 1_000_000
DENOMINATORS: Final = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": MILLION}
LocalityKey = tuple[str, str, str]


def shown(assignment: Msg, name: str, own_locality: LocalityKey = ("", "", "")) -> Msg:
    """Return the ClusterLoadAssignment that Envoy prints for the cluster whose hosts ``assignment`` gives.

    Within a priority the proxy's own locality comes first, the others in order; a host is there once. Health is
    what the assignment says: results of active checks are known to the proxy alone.
    """
    made = new("envoy.config.endpoint.v3.ClusterLoadAssignment")
    made.cluster_name = name
    _policy(assignment.policy, made.policy)
    groups: dict[tuple[int, bool, LocalityKey], Msg] = {}
    weights: dict[tuple[int, LocalityKey], int] = {}
    seen: set[tuple[bytes, ...]] = set()
    for locality in assignment.endpoints:
        key = (locality.locality.region, locality.locality.zone, locality.locality.sub_zone)
        if locality.HasField("load_balancing_weight"):
            weights[locality.priority, key] = locality.load_balancing_weight.value
        for lb_endpoint in locality.lb_endpoints:
            address = (lb_endpoint.endpoint.address.SerializeToString(deterministic=True),)
            if address in seen:
                continue
            seen.add(address)
            order = (locality.priority, key != own_locality or not any(key), key)
            group: Msg = groups.setdefault(order, new("envoy.config.endpoint.v3.LocalityLbEndpoints"))
            group.locality.CopyFrom(locality.locality)
            group.priority = locality.priority
            _host(lb_endpoint, group.lb_endpoints.add())
    for order in sorted(groups):
        group = groups[order]
        group.load_balancing_weight.value = weights.get((order[0], order[2]), 0)
        made.endpoints.append(group)
    return made


def _policy(given: Msg, made: Msg) -> None:
    given_factor = given.HasField("overprovisioning_factor")
    made.overprovisioning_factor.value = (
        given.overprovisioning_factor.value if given_factor else DEFAULT_OVERPROVISIONING
    )
    for drop in given.drop_overloads:
        share = drop.drop_percentage.numerator / DENOMINATORS[enum_name(drop.drop_percentage, "denominator")]
        if share > 0:
            item = made.drop_overloads.add()
            item.category = drop.category
            item.drop_percentage.numerator = int(min(share, 1.0) * MILLION)
            item.drop_percentage.denominator = (
                item.drop_percentage.DESCRIPTOR.fields_by_name["denominator"].enum_type.values_by_name["MILLION"].number
            )


def _host(given: Msg, made: Msg) -> None:
    endpoint, out = given.endpoint, made.endpoint
    if given.metadata.ListFields():
        made.metadata.CopyFrom(given.metadata)
    made.load_balancing_weight.value = given.load_balancing_weight.value or 1
    status = COARSE.get(enum_name(given, "health_status"), "HEALTHY")
    made.health_status = given.DESCRIPTOR.fields_by_name["health_status"].enum_type.values_by_name[status].number
    out.hostname = endpoint.hostname
    _address(endpoint.address, out.address)
    for more in endpoint.additional_addresses:
        _address(more.address, out.additional_addresses.add().address)
    check = endpoint.health_check_config
    out.health_check_config.hostname = check.hostname
    port = endpoint.address.socket_address.port_value
    checked = check.address.socket_address.port_value if check.HasField("address") else check.port_value or port
    if checked != port:
        out.health_check_config.port_value = checked


def _address(given: Msg, made: Msg) -> None:
    """Envoy prints the address it parsed."""
    which = given.WhichOneof("address")
    if which != "socket_address":
        made.CopyFrom(given)
        return
    made.socket_address.port_value = given.socket_address.port_value
    text = given.socket_address.address
    with contextlib.suppress(ValueError):  # a name: Envoy refuses it here
        text = str(ipaddress.ip_address(text))
    made.socket_address.address = text


def finer_health(cluster: str, service_name: str, assignment: Msg) -> dict[str, Any] | None:
    """Return a status as ``/clusters`` has it where the endpoints section cannot tell why a host is not well."""
    if all(host.health_status in WELL for group in assignment.endpoints for host in group.lb_endpoints):
        return None
    named = {"eds_service_name": service_name} if service_name else {}
    return {"name": cluster, "added_via_api": True, **named, "host_statuses": list(_finer(assignment))}


def _finer(assignment: Msg) -> Iterator[dict[str, Any]]:
    from ..load.encode import to_json

    seen: set[bytes] = set()
    for locality in assignment.endpoints:
        for given in locality.lb_endpoints:
            address = given.endpoint.address.SerializeToString(deterministic=True)
            if address in seen:
                continue
            seen.add(address)
            status = enum_name(given, "health_status")
            yield {
                "address": to_json(given.endpoint.address),
                "health_status": {"eds_health_status": "HEALTHY" if status == "UNKNOWN" else status},
                "weight": given.load_balancing_weight.value or 1,
                **({"hostname": given.endpoint.hostname} if given.endpoint.hostname else {}),
                **({"priority": locality.priority} if locality.priority else {}),
                "locality": to_json(locality.locality),
            }
