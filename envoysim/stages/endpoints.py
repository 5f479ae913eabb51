"""A cluster's hosts: what the dump knows of them, by priority and locality.

Follows ``PriorityStateManager`` in ``source/common/upstream/upstream_impl.cc`` and the cluster types in
``source/extensions/clusters``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..model.address import Address
from ..schema import Msg, enum_name, to_python
from .host import (
    DEGRADED_ACTIVE_HC,
    EDS_FLAGS,
    EXCLUDED_VIA_IMMEDIATE_HC_FAIL,
    FAILED_ACTIVE_HC,
    FAILED_OUTLIER_CHECK,
    PENDING_ACTIVE_HC,
    Host,
    Locality,
)

if TYPE_CHECKING:
    from ..load.hosts import HostStatus
    from ..model.ref import Ref
    from .proxy import Proxy

DEFAULT_OVERPROVISIONING: Final = 140
DUMPED_FLAGS: Final = {"UNHEALTHY": frozenset({FAILED_ACTIVE_HC}), "DEGRADED": frozenset({DEGRADED_ACTIVE_HC})}
COARSE: Final = (
    "the dump calls hosts UNHEALTHY without saying why: a draining host would not count against its priority; "
    "add /clusters?format=json"
)
NO_ADDRESSES: Final = "addresses are resolved by DNS and are not in the dump: the endpoint is named by its host"


@dataclass(frozen=True, slots=True)
class PriorityLevel:
    """The hosts of one priority, in the configuration's order; ``localities`` are those that hold a host,
    the proxy's own first, with their weights.
    """

    hosts: tuple[Host, ...] = ()
    localities: tuple[tuple[Locality, int], ...] = ()
    has_local: bool = False


@dataclass(frozen=True, slots=True)
class Endpoints:
    """All hosts of a cluster. ``unknown`` says what is missing where the dump does not tell them."""

    levels: tuple[PriorityLevel, ...] = (PriorityLevel(),)
    overprovisioning: int = DEFAULT_OVERPROVISIONING
    weighted_priority_health: bool = False
    drop_overload: float = 0.0
    unknown: str = ""
    note: str = ""
    ref: Ref | None = None

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Every host, priority by priority."""
        return tuple(host for level in self.levels for host in level.hosts)


def compile_endpoints(cluster: Msg, kind: str, ref: Ref, proxy: Proxy) -> Endpoints:
    """Find the hosts of ``cluster``, whose discovery type is ``kind``.

    EDS clusters are looked up by service name. For the others a dump repeats the hosts with the health they have:
    DNS clusters take the resolved addresses from there, static ones what checks or ejections have made of a host.
    """
    dump = proxy.dump
    service = cluster.eds_cluster_config.service_name if kind == "EDS" else ""
    dumped = dump.load_assignments.get(service or cluster.name)
    if dumped is None and service:
        dumped = dump.load_assignments.get(cluster.name)
    if kind == "EDS":
        if dumped is None:
            return Endpoints(unknown=_missing(cluster.name, dump.has_endpoints), ref=ref)
        found = compile_load_assignment(dumped.message(), dumped.ref, cluster.name, proxy, dns=False)
        return replace(found, note=_coarse(found, dump.host_statuses))
    dns = kind in ("STRICT_DNS", "LOGICAL_DNS")
    if dns and dumped is not None and dumped.message().endpoints:
        return compile_load_assignment(dumped.message(), dumped.ref, cluster.name, proxy, dns=True)
    place = ref.at("load_assignment")
    found = compile_load_assignment(cluster.load_assignment, place, cluster.name, proxy, dns=dns)
    if kind == "STATIC" and dumped is not None and not dump.host_statuses:
        return _with_dumped_health(found, dumped.message())
    return found


def _coarse(endpoints: Endpoints, statuses: Mapping[tuple[str, str], HostStatus]) -> str:
    """Say so where a dump's word on health may hide what counts: it knows UNHEALTHY, but not draining."""
    vague = not statuses and any(host.eds_status == "UNHEALTHY" for host in endpoints.hosts)
    return COARSE if vague else ""


def _with_dumped_health(endpoints: Endpoints, dumped: Msg) -> Endpoints:
    """Take over the health of hosts that the configuration calls healthy and the dump does not."""
    found: dict[str, frozenset[str]] = {}
    for group in dumped.endpoints:
        for endpoint in group.lb_endpoints:
            flags = DUMPED_FLAGS.get(enum_name(endpoint, "health_status"))
            if flags:
                found[_address(endpoint.endpoint.address)[0]] = flags
    if not found:
        return endpoints
    levels = tuple(
        replace(level, hosts=tuple(_seen(host, found.get(host.endpoint)) for host in level.hosts))
        for level in endpoints.levels
    )
    return replace(endpoints, levels=levels)


def _seen(host: Host, flags: frozenset[str] | None) -> Host:
    return replace(host, flags=flags) if flags and not host.flags else host


def _missing(name: str, has_section: bool) -> str:
    if has_section:
        return f"the endpoints of cluster `{name}`: the dump has an endpoints section without them"
    return (
        f"the endpoints of cluster `{name}`: take the dump with /config_dump?include_eds, or add /clusters?format=json"
    )


def compile_load_assignment(msg: Msg, ref: Ref, cluster: str, proxy: Proxy, *, dns: bool) -> Endpoints:
    """Compile ``envoy.config.endpoint.v3.ClusterLoadAssignment``; names are kept as names where ``dns``."""
    by_priority: dict[int, list[Host]] = {}
    weights: dict[int, dict[Locality, int]] = {}
    statuses = proxy.dump.host_statuses
    seen: set[str] = set()
    note = ""
    for index, group in enumerate(msg.endpoints):
        hosts = by_priority.setdefault(group.priority, [])
        locality = _locality(group.locality)
        if group.HasField("locality") and group.HasField("load_balancing_weight"):
            weights.setdefault(group.priority, {})[locality] = group.load_balancing_weight.value
        locality_metadata = compile_metadata(group.metadata)
        for position, endpoint in enumerate(group.lb_endpoints):
            where = ref.at("endpoints", index, "lb_endpoints", position)
            host = _host(endpoint, where, cluster, group.priority, locality, locality_metadata, statuses, dns=dns)
            if host.endpoint in seen:  # the same address again is ignored (updateDynamicHostList)
                continue
            seen.add(host.endpoint)
            hosts.append(host)
            if host.address is None and dns:
                note = NO_ADDRESSES
    own = _own_locality(proxy)
    levels = tuple(
        _level(by_priority.get(priority, []), weights.get(priority, {}), own)
        for priority in range(max(by_priority, default=0) + 1)
    )
    policy = msg.policy
    factor = policy.overprovisioning_factor.value if policy.HasField("overprovisioning_factor") else 0
    return Endpoints(
        levels,
        factor or DEFAULT_OVERPROVISIONING,
        policy.weighted_priority_health,
        _drop_overload(policy),
        note=note,
        ref=ref,
    )


def _level(hosts: Sequence[Host], weights: Mapping[Locality, int], own: Locality | None) -> PriorityLevel:
    """Order localities as ``updateClusterPrioritySet``: the proxy's own, then by name."""
    names = sorted({host.locality for host in hosts})
    has_local = own is not None and own in names
    if has_local and own is not None:
        names.remove(own)
        names.insert(0, own)
    return PriorityLevel(tuple(hosts), tuple((name, weights.get(name, 0)) for name in names), has_local)


def _own_locality(proxy: Proxy) -> Locality | None:
    node = proxy.node
    return _locality(node.locality) if node is not None and node.HasField("locality") else None


def _locality(msg: Msg) -> Locality:
    return Locality(msg.region, msg.zone, msg.sub_zone)


def compile_metadata(msg: Msg) -> dict[str, dict[str, object]]:
    """Return ``filter_metadata`` as plain Python."""
    return {namespace: to_python(struct) for namespace, struct in msg.filter_metadata.items()}


def _drop_overload(policy: Msg) -> float:
    """Return the share of requests that is dropped (only the first category counts)."""
    for entry in policy.drop_overloads:
        share = entry.drop_percentage
        denominator = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}[enum_name(share, "denominator")]
        return min(1.0, float(share.numerator) / denominator)
    return 0.0


def _host(
    msg: Msg,
    ref: Ref,
    cluster: str,
    priority: int,
    locality: Locality,
    locality_metadata: Mapping[str, Mapping[str, object]],
    statuses: Mapping[tuple[str, str], HostStatus],
    *,
    dns: bool,
) -> Host:
    endpoint = msg.endpoint
    text, address, name = _address(endpoint.address)
    status = statuses.get((cluster, text))
    eds = enum_name(msg, "health_status")
    return Host(
        endpoint=text,
        address=address,
        cluster_name=cluster,
        ref=ref,
        hostname=endpoint.hostname or (name if dns else ""),
        weight=msg.load_balancing_weight.value if msg.HasField("load_balancing_weight") else 1,
        priority=priority,
        locality=locality,
        metadata=compile_metadata(msg.metadata),
        locality_metadata=locality_metadata,
        eds_status=status.eds_health_status if status is not None else eds,
        flags=_flags(status) if status is not None else EDS_FLAGS.get(eds, frozenset()),
        checked=not endpoint.health_check_config.disable_active_health_check,
    )


def _flags(status: HostStatus) -> frozenset[str]:
    """Return what ``/clusters`` says of a host: the authority on its health."""
    flags = {
        FAILED_ACTIVE_HC: status.failed_active_health_check,
        FAILED_OUTLIER_CHECK: status.failed_outlier_check,
        DEGRADED_ACTIVE_HC: status.failed_active_degraded_check,
        PENDING_ACTIVE_HC: status.pending_active_hc,
        EXCLUDED_VIA_IMMEDIATE_HC_FAIL: status.excluded_via_immediate_hc_fail,
    }
    return EDS_FLAGS.get(status.eds_health_status, frozenset()) | {flag for flag, is_set in flags.items() if is_set}


def _address(msg: Msg) -> tuple[str, Address | None, str]:
    """Return the endpoint's text, its IP address if it is one, and its host name if it is a name."""
    kind = msg.WhichOneof("address")
    if kind == "pipe":
        return msg.pipe.path, None, ""
    if kind == "envoy_internal_address":
        internal = msg.envoy_internal_address
        identity = f"/{internal.endpoint_id}" if internal.endpoint_id else ""
        return f"envoy://{internal.server_listener_name}{identity}", None, ""
    socket = msg.socket_address
    port = socket.port_value
    try:
        address = Address(str(ip_address(socket.address)), port)
    except ValueError:
        shown = socket.named_port if socket.WhichOneof("port_specifier") == "named_port" else str(port)
        return f"{socket.address}:{shown}", None, socket.address
    return str(address), address, socket.address


def original_destination_host(cluster: str, address: Address, ref: Ref) -> Host:
    """Make the host of an ORIGINAL_DST cluster for a destination (``OriginalDstCluster::LoadBalancer``)."""
    return Host(str(address), address, cluster, ref)
