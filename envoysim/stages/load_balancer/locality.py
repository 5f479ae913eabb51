"""Which locality of a priority a request goes to: by weight, or by zone.

Follows ``locality_wrr.cc`` and ``ZoneAwareLoadBalancerBase`` in
``source/extensions/load_balancing_policies/common``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...lazy_dataclass import dataclass
from .host_set import HostGroup, HostSet
from .policy import LocalityConfig
from .schedule import Turns

if TYPE_CHECKING:
    from fractions import Fraction


def effective_weights(host_set: HostSet, *, degraded: bool) -> tuple[Fraction, ...]:
    """Return each locality's weight, cut by how available it is (``effectiveLocalityWeight``)."""
    from fractions import Fraction  # few clusters have weights

    weights = []
    for group, weight in zip(host_set.localities, host_set.weights, strict=True):
        eligible = len(group.hosts) - len(group.excluded)
        if eligible <= 0:
            weights.append(Fraction(0))
            continue
        available = len(group.degraded if degraded else group.healthy)
        ratio = min(Fraction(1), Fraction(host_set.overprovisioning, 100) * Fraction(available, eligible))
        weights.append(weight * ratio)
    return tuple(weights)


class LocalityTurns:
    """The schedule over a priority's localities; ``None`` where no locality has a weight."""

    __slots__ = ("_indices", "turns")

    def __init__(self, host_set: HostSet, *, degraded: bool) -> None:
        group = host_set.group
        eligible = group.degraded if degraded else group.healthy
        weights = effective_weights(host_set, degraded=degraded) if host_set.weights and eligible else ()
        self._indices = [index for index, weight in enumerate(weights) if weight > 0]
        self.turns = Turns([weights[index] for index in self._indices]) if self._indices else None

    def index(self, turn: int) -> int:
        """Return the locality a turn stands for."""
        return self._indices[turn]

    @property
    def weights(self) -> dict[int, int]:
        """Whole weights by locality."""
        return dict(zip(self._indices, self.turns.weights, strict=True)) if self.turns is not None else {}


@dataclass(frozen=True, slots=True)
class ZoneRouting:
    """How a priority's localities share traffic when the proxy's own zone goes first.

    ``direct`` keeps everything in it. Otherwise ``local`` of 10,000 stay, and the rest goes to the others by
    ``residual`` capacity. ``why_not`` says why zones do not count.
    """

    why_not: str = ""
    direct: bool = False
    local: int = 0
    residual: tuple[int, ...] = ()

    @property
    def shares(self) -> list[float]:
        """The share of every locality."""
        if self.direct:
            return [1.0]
        local = min(self.local, 10_000) / 10_000
        spare, count = sum(self.residual), len(self.residual)
        rest = [part / spare for part in self.residual] if spare else [1 / count] * count
        shares = [(1 - local) * part for part in rest]
        shares[0] += local
        return shares


def zone_routing(host_set: HostSet, local: HostSet | None, config: LocalityConfig, min_size: int) -> ZoneRouting:
    """Decide how priority 0 is routed by zone (``regenerateLocalityRoutingStructures``)."""
    if local is None:
        return ZoneRouting("no local cluster")
    if host_set.priority != 0:
        return ZoneRouting("only priority 0 is routed by zone")
    if len(host_set.localities) < 2:
        return ZoneRouting("the cluster is in one locality")
    force = config.force_local_zone_min_size
    if force is None and len(local.localities) < 2:
        return ZoneRouting("the local cluster is in one locality")
    if not local.has_local or not local.localities[0].hosts:
        return ZoneRouting("the local cluster has no host in the proxy's own locality")
    if len(host_set.group.healthy) < min_size:
        return ZoneRouting(f"fewer than min_cluster_size {min_size} healthy hosts")
    shares = _percentages(local.localities, host_set.localities, by_weight=config.by_weight)
    own_local, own_upstream = shares[0]
    if host_set.has_local and (
        (own_upstream > 0 and own_upstream >= own_local)
        or (force is not None and len(host_set.localities[0].healthy) >= force)
    ):
        return ZoneRouting(direct=True)
    stay = own_upstream * 10_000 // own_local if host_set.has_local and own_local > 0 else 0
    residual = tuple(
        max(0, upstream - own) if index or not host_set.has_local else 0 for index, (own, upstream) in enumerate(shares)
    )
    return ZoneRouting(local=stay, residual=residual)


def _percentages(
    local: Sequence[HostGroup], upstream: Sequence[HostGroup], *, by_weight: bool
) -> list[tuple[int, int]]:
    """Return the (local, upstream) share of each upstream locality in 1/10,000 (``calculateLocalityPercentages``)."""

    def size(group: HostGroup) -> int:
        return sum(host.weight for host in group.healthy) if by_weight else len(group.healthy)

    local_sizes = {group.healthy[0].locality: size(group) for group in local if group.healthy}
    total_local, total_upstream = sum(map(size, local)), sum(map(size, upstream))
    shares = []
    for group in upstream:
        if not group.healthy:
            shares.append((0, 0))
            continue
        own = local_sizes.get(group.healthy[0].locality, 0)
        shares.append(
            (
                10_000 * own // total_local if total_local else 0,
                10_000 * size(group) // total_upstream if total_upstream else 0,
            )
        )
    return shares
