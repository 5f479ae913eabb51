"""Circuit breakers: what a cluster may have in flight (``source/common/upstream/resource_manager_impl.h``)."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..lazy_dataclass import dataclass
from ..schema import Msg

if TYPE_CHECKING:
    from ..model.ref import Ref
    from ..model.world import State
    from .runtime import Runtime

UNLIMITED: Final = 2**32 - 1
PRIORITIES: Final = ("DEFAULT", "HIGH")
LIMITS: Final = ("max_connections", "max_pending_requests", "max_requests", "max_retries", "max_connection_pools")


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """Retries allowed as a share of what is in flight; replaces ``max_retries``."""

    percent: float = 20.0
    min_concurrency: int = 3
    interval_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits of one priority; admission is ``current < max``, so 0 admits nothing."""

    max_connections: int = 1024
    max_pending_requests: int = 1024
    max_requests: int = 1024
    max_retries: int = 3
    max_connection_pools: int = UNLIMITED
    max_connections_per_host: int = UNLIMITED
    retry_budget: RetryBudget | None = None
    ref: Ref | None = None


@dataclass(frozen=True, slots=True)
class CircuitBreakers:
    """A cluster's limits by priority: the first entry of a priority counts, a missing one has the defaults."""

    default: Thresholds = Thresholds()
    high: Thresholds = Thresholds()


def compile_circuit_breakers(msg: Msg, ref: Ref, cluster: str, runtime: Runtime) -> CircuitBreakers:
    """Compile ``envoy.config.cluster.v3.CircuitBreakers`` (``ClusterInfoImpl::ResourceManagers::load``).

    Runtime keys ``circuit_breakers.CLUSTER.default.max_requests`` and the like replace what is configured.
    """
    per_host = {"DEFAULT": UNLIMITED, "HIGH": UNLIMITED}
    for entry in msg.per_host_thresholds:
        if entry.HasField("max_connections"):
            per_host[PRIORITIES[entry.priority]] = entry.max_connections.value
    found: dict[str, Thresholds] = {}
    for index, entry in enumerate(msg.thresholds):
        priority = PRIORITIES[entry.priority]
        if priority not in found:
            found[priority] = _thresholds(entry, per_host[priority], ref.at("thresholds", index))
    missing = {name: Thresholds(max_connections_per_host=per_host[name]) for name in PRIORITIES}
    limits = (
        _overridden(found.get(name, missing[name]), f"circuit_breakers.{cluster}.{name.lower()}.", runtime)
        for name in PRIORITIES
    )
    return CircuitBreakers(*limits)


def limit_ref(limits: Thresholds, cluster: Ref, name: str) -> Ref:
    """Return where a limit stands, or where it would: without thresholds of the priority the defaults count."""
    return cluster.at("circuit_breakers") if limits.ref is None else limits.ref.at(name)


def _overridden(limits: Thresholds, prefix: str, runtime: Runtime) -> Thresholds:
    """Let runtime keys replace limits (``ManagedResourceImpl``); those of the retry budget turn it on as well."""
    given: dict[str, Any] = {
        name: runtime.integer(prefix + name, getattr(limits, name)) for name in LIMITS if prefix + name in runtime
    }
    limits = replace(limits, **given)
    budget = prefix + "retry_budget."
    if budget + "budget_percent" not in runtime and budget + "min_retry_concurrency" not in runtime:
        return limits
    known = limits.retry_budget or RetryBudget()
    return replace(
        limits,
        retry_budget=replace(
            known,
            percent=runtime.double(budget + "budget_percent", known.percent),
            min_concurrency=runtime.integer(budget + "min_retry_concurrency", known.min_concurrency),
        ),
    )


def _thresholds(entry: Msg, per_host: int, ref: Ref) -> Thresholds:
    def limit(name: str, default: int) -> int:
        return int(getattr(entry, name).value) if entry.HasField(name) else default

    return Thresholds(
        max_connections=limit("max_connections", 1024),
        max_pending_requests=limit("max_pending_requests", 1024),
        max_requests=limit("max_requests", 1024),
        max_retries=limit("max_retries", 3),
        max_connection_pools=limit("max_connection_pools", UNLIMITED),
        max_connections_per_host=per_host,
        retry_budget=_retry_budget(entry.retry_budget) if entry.HasField("retry_budget") else None,
        ref=ref,
    )


def _retry_budget(msg: Msg) -> RetryBudget:
    interval = msg.budget_interval if "budget_interval" in msg.DESCRIPTOR.fields_by_name else None
    return RetryBudget(
        percent=msg.budget_percent.value if msg.HasField("budget_percent") else 20.0,
        min_concurrency=msg.min_retry_concurrency.value if msg.HasField("min_retry_concurrency") else 3,
        interval_ms=interval.seconds * 1000 + interval.nanos / 1e6 if interval is not None else 0.0,
    )


class ResourceManager:
    """What one priority of one cluster has in flight now; lives in ``State``."""

    __slots__ = ("_admitted", "connections", "limits", "pending", "pools", "requests", "retries")

    def __init__(self, limits: Thresholds) -> None:
        self.limits = limits
        self.connections = 0
        self.pending = 0
        self.requests = 0
        self.retries = 0
        self.pools = 0
        self._admitted: deque[float] = deque()

    def request_started(self, now_ms: float) -> None:
        """Count a request on a connection."""
        self.requests += 1
        budget = self.limits.retry_budget
        if budget is not None and budget.interval_ms:
            self._admitted.append(now_ms)

    def can_retry(self, now_ms: float) -> bool:
        """Tell whether one more retry may wait or run."""
        return self.retries < self.max_retries(now_ms)

    def max_retries(self, now_ms: float) -> int:
        """Return how many retries are allowed at once (``RetryBudgetImpl::max``)."""
        budget = self.limits.retry_budget
        if budget is None:
            return self.limits.max_retries
        in_flight = self.requests + self.pending
        if budget.interval_ms:
            while self._admitted and self._admitted[0] <= now_ms - budget.interval_ms:
                self._admitted.popleft()
            in_flight = len(self._admitted)
        return max(int(budget.percent / 100.0 * in_flight), budget.min_concurrency)


def resource_manager(state: State, cluster: str, breakers: CircuitBreakers, priority: str) -> ResourceManager:
    """Return the counters of ``cluster`` at ``priority`` (``DEFAULT`` or ``HIGH``)."""
    limits = breakers.high if priority == "HIGH" else breakers.default
    return state.slot(("circuit_breakers", cluster, priority), lambda: ResourceManager(limits))
