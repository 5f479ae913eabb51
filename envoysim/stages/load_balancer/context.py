"""What a load balancer is asked with, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ...lazy_dataclass import dataclass
from .previous_priorities import PreviousPrioritiesState

if TYPE_CHECKING:
    from ...model.ref import Ref
    from ...model.trace import Rejected
    from ...model.world import State, World
    from ..cluster import Cluster
    from ..hash_policy import HashPolicies
    from ..host import Host
    from ..retry_state import RetryState
    from ..stream import DownstreamConnection, Stream, Telling
    from .host_set import HostSet
    from .priority import PriorityLoads

PREVIOUS: str = "previous_priorities"
"""``Stream.facts``: which priorities the attempts of a request have been to."""


@dataclass(slots=True)
class LbContext:
    """What is known of the request when a host is chosen (``LoadBalancerContext``).

    ``hash_policy`` is the route's: it is asked only where the load balancer hashes. ``hash_key`` is a number that
    is known already. ``metadata_match`` are the subset criteria. ``retry`` is given for retries alone.
    ``override_host`` is the ``ip:port`` a stateful session asks for; with ``strict`` no other host will do.
    ``mirror`` marks the copy of a request: it is a request of its own and takes part in no session.
    """

    stream: Stream | None = None
    connection: DownstreamConnection | None = None
    hash_key: int | None = None
    metadata_match: dict[str, object] | None = None
    retry: RetryState | None = None
    hash_policy: HashPolicies | None = None
    override_host: str = ""
    strict: bool = False
    mirror: bool = False


@dataclass(frozen=True, slots=True)
class NoHost:
    """No host can be chosen: 503 with ``UH``. ``reason`` says why, ``losers`` how the hosts stand."""

    reason: str
    ref: Ref | None = None
    losers: Callable[[], tuple[Rejected, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The dump does not tell; ``what`` is what would settle it."""

    what: str
    ref: Ref | None = None


@dataclass(slots=True)
class Ask:
    """One choice under way: the context, and what choosing needs besides."""

    cluster: Cluster
    context: LbContext
    world: World
    state: State
    telling: Telling
    reason: str = ""
    """Why there is no host, from the balancer that found none."""
    missing: Mapping[str, object] | None = None
    """The criteria no subset has, where there is no fallback; empty without criteria."""
    candidates: int = 0
    """Among how many hosts the policy chose."""
    how: str = ""
    """How the priority, locality or subset was found, for the step."""
    forced: tuple[int, bool] | None = None
    """The priority an aggregate cluster has chosen, and whether among its degraded hosts."""

    @property
    def max_attempts(self) -> int:
        """How often a host may be picked until one pleases the retry's predicates (``hostSelectionRetryCount``)."""
        retry = self.context.retry
        return retry.policy.host_selection_max_attempts + 1 if retry is not None else 1

    def rejects(self, host: Host) -> bool:
        """Tell whether a retry should look for another host (``shouldSelectAnotherHost``)."""
        retry = self.context.retry
        if retry is None or not retry.policy.host_predicates:
            return False
        attempted = {tried.endpoint for tried in retry.attempted if hasattr(tried, "endpoint")}
        return any(predicate.rejects(host, attempted) for predicate in retry.policy.host_predicates)

    def retry_loads(self, loads: PriorityLoads, host_sets: Sequence[HostSet]) -> PriorityLoads:
        """Let a retry priority change the loads (``determinePriorityLoad``)."""
        if self.forced is not None:
            priority, degraded = self.forced
            chosen = tuple(100 if host_set.priority == priority else 0 for host_set in host_sets)
            nothing = (0,) * len(host_sets)
            healthy, other = (nothing, chosen) if degraded else (chosen, nothing)
            return replace(loads, healthy=healthy, degraded=other)
        retry, stream = self.context.retry, self.context.stream
        if retry is None or retry.policy.retry_priority is None or stream is None:
            return loads
        known = stream.facts.get(PREVIOUS)
        if not isinstance(known, PreviousPrioritiesState):
            known = PreviousPrioritiesState(retry.policy.retry_priority.update_frequency)
            stream.facts[PREVIOUS] = known
        return known.loads(loads, host_sets, retry.attempted)

    def count(self, stat: str) -> None:
        """Raise a counter of the cluster."""
        self.telling.count(f"cluster.{self.cluster.observability_name}.{stat}")


class Balancer(Protocol):
    """One worker's load balancer of one cluster (or of one subset); it lives in ``State``."""

    def refresh(self, host_sets: tuple[HostSet, ...]) -> None:
        """Take note of what hosts there are and how healthy they are."""

    def choose(self, ask: Ask) -> Host | None:
        """Choose a host, or say in ``ask.reason`` why there is none."""
