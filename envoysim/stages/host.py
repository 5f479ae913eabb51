"""An upstream host, and how healthy it counts (``HostImplBase`` in ``source/common/upstream/upstream_impl.h``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final, NamedTuple

from ..lazy_dataclass import dataclass
from ..model.address import Address
from ..model.ref import Ref

Metadata = Mapping[str, Mapping[str, object]]
HEALTHY, DEGRADED, UNHEALTHY = "healthy", "degraded", "unhealthy"

FAILED_ACTIVE_HC = "failed_active_hc"
FAILED_OUTLIER_CHECK = "failed_outlier_check"
FAILED_EDS_HEALTH = "failed_eds_health"
DRAINING = "draining"
DEGRADED_ACTIVE_HC = "degraded_active_hc"
DEGRADED_EDS_HEALTH = "degraded_eds_health"
DEGRADED_OUTLIER_DETECTION = "degraded_outlier_detection"
PENDING_ACTIVE_HC = "pending_active_hc"
EXCLUDED_VIA_IMMEDIATE_HC_FAIL = "excluded_via_immediate_hc_fail"

UNHEALTHY_FLAGS: Final = frozenset({FAILED_ACTIVE_HC, FAILED_OUTLIER_CHECK, FAILED_EDS_HEALTH, DRAINING})
DEGRADED_FLAGS: Final = frozenset({DEGRADED_ACTIVE_HC, DEGRADED_EDS_HEALTH, DEGRADED_OUTLIER_DETECTION})
EXCLUDING_FLAGS: Final = frozenset({PENDING_ACTIVE_HC, EXCLUDED_VIA_IMMEDIATE_HC_FAIL, DRAINING})
"""Hosts with one of these are left out of what availability is measured against (``excludeBasedOnHealthFlag``)."""

EDS_FLAGS: Final[Mapping[str, frozenset[str]]] = {
    "UNHEALTHY": frozenset({FAILED_EDS_HEALTH}),
    "TIMEOUT": frozenset({FAILED_EDS_HEALTH}),
    "DRAINING": frozenset({DRAINING}),
    "DEGRADED": frozenset({DEGRADED_EDS_HEALTH}),
}
"""``envoy.config.core.v3.HealthStatus`` -> flags; UNKNOWN and HEALTHY set none (``setEdsHealthFlag``)."""


class Locality(NamedTuple):
    """Where hosts are; ordered as ``LocalityLess``."""

    region: str = ""
    zone: str = ""
    sub_zone: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part) or "no locality"


NO_LOCALITY: Final = Locality()


@dataclass(frozen=True, slots=True, eq=False)
class Host:
    """One endpoint of one cluster; compared by identity.

    ``endpoint`` is ``ip:port``, or ``name:port`` where a name was not resolved; ``address`` is then ``None``.
    ``flags`` is the health the configuration (or ``/clusters``) tells; ejections are state of their own.
    """

    endpoint: str
    address: Address | None
    cluster_name: str
    ref: Ref
    hostname: str = ""
    weight: int = 1
    priority: int = 0
    locality: Locality = NO_LOCALITY
    metadata: Metadata = field(default_factory=dict)
    locality_metadata: Metadata = field(default_factory=dict)
    eds_status: str = "UNKNOWN"
    flags: frozenset[str] = frozenset()
    checked: bool = True
    """Active health checks, where the cluster has them, look at this host."""

    @property
    def hash_key(self) -> str:
        """The key that hashing load balancers use in place of the address, "" for none."""
        key = self.metadata.get("envoy.lb", {}).get("hash_key")
        return key if isinstance(key, str) else ""


def coarse_health(flags: frozenset[str]) -> str:
    """Reduce health flags to healthy, degraded or unhealthy (``coarseHealth``)."""
    if flags & UNHEALTHY_FLAGS:
        return UNHEALTHY
    return DEGRADED if flags & DEGRADED_FLAGS else HEALTHY


WORDS: Final[Mapping[str, frozenset[str]]] = {
    "healthy": frozenset(),
    "unknown": frozenset(),
    "unhealthy": frozenset({FAILED_EDS_HEALTH}),
    "failed": frozenset({FAILED_ACTIVE_HC}),
    "timeout": frozenset({FAILED_EDS_HEALTH}),
    "draining": frozenset({DRAINING}),
    "degraded": frozenset({DEGRADED_EDS_HEALTH}),
    "ejected": frozenset({FAILED_OUTLIER_CHECK}),
    "pending": frozenset({FAILED_ACTIVE_HC, PENDING_ACTIVE_HC}),
}
"""What ``World.health`` may say of an endpoint, and the flags it stands for."""
