"""Endpoints of a cluster with their health, as far as the dump tells."""

from __future__ import annotations

from collections.abc import Iterator

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from ..schema import Msg, enum_name
from .subject import ClusterItem, Subject

MAYBE_EMPTY = ("ORIGINAL_DST",)
"""Discovery types whose hosts no dump lists."""
GOOD = ("UNKNOWN", "HEALTHY", "DEGRADED")


@dataclass(frozen=True, slots=True, eq=False)
class EndpointItem:
    """One ``lb_endpoints`` entry; ``locality`` is the group it stands in."""

    cluster: ClusterItem
    msg: Msg
    locality: Msg
    ref: Ref

    @property
    def address(self) -> str:
        """Where it listens: ``ip:port``, a pipe, an internal listener."""
        address = self.msg.endpoint.address
        kind = address.WhichOneof("address")
        if kind == "socket_address":
            return f"{address.socket_address.address}:{address.socket_address.port_value}"
        return str(getattr(address, kind)) if kind else ""


def known_hosts(subject: Subject, cluster: ClusterItem) -> bool:
    """Tell whether the dump says which hosts a cluster has."""
    if cluster.msg.HasField("cluster_type") or enum_name(cluster.msg, "type") in MAYBE_EMPTY:
        return False
    if enum_name(cluster.msg, "type") == "EDS":
        return subject.dump.has_endpoints
    return True


def endpoints_of(cluster: ClusterItem) -> Iterator[EndpointItem]:
    """Yield a cluster's endpoints."""
    if cluster.assignment is None:
        return
    for i, locality in enumerate(cluster.assignment.endpoints):
        place = cluster.assignment_ref.at("endpoints", i, "lb_endpoints")
        for k, entry in enumerate(locality.lb_endpoints):
            yield EndpointItem(cluster, entry, locality, place.at(k))


def is_healthy(subject: Subject, item: EndpointItem) -> bool:
    """Tell whether nothing says that the endpoint is sick."""
    status = subject.dump.host_statuses.get((item.cluster.name, item.address))
    if status is not None and (status.failed_active_health_check or status.failed_outlier_check):
        return False
    return enum_name(item.msg, "health_status") in GOOD
