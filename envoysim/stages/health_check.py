"""Active health checks: what check results make of a host's health (``health_checker_base_impl.cc``).

The simulation sends no checks of its own: hosts are as the dump (or ``/clusters``) tells. A scenario hands the
results in, and asks when the next check is due; a response may fail its host at once
(``x-envoy-immediate-health-check-fail``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..schema import Msg, duration_ms
from .host import DEGRADED_ACTIVE_HC, EXCLUDED_VIA_IMMEDIATE_HC_FAIL, FAILED_ACTIVE_HC, PENDING_ACTIVE_HC, Host
from .load_balancer.live_cluster import live_cluster

if TYPE_CHECKING:
    from ..model.ref import Ref
    from ..model.world import State, World
    from .cluster import Cluster
    from .stream import Telling

SUCCESS, DEGRADED, FAILURE, RETRIABLE, NETWORK, TIMEOUT = (
    "success",
    "degraded",
    "failure",
    "retriable",
    "network",
    "timeout",
)
"""Results: an expected answer, one that says it is degraded, another answer, one of ``retriable_statuses``,
no connection (or one that broke), no answer in time."""

# (the host is failed now, result) -> the counter that rises, and whether the first one already flips the host.
TRANSITIONS: Final[Mapping[tuple[bool, str], tuple[str, bool]]] = {
    (True, SUCCESS): ("healthy", False),
    (True, DEGRADED): ("healthy", False),
    (False, FAILURE): ("unhealthy", True),
    (False, RETRIABLE): ("unhealthy", False),
    (False, NETWORK): ("unhealthy", False),
    (False, TIMEOUT): ("unhealthy", False),
}
"""Results that are not here leave a host as it is."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A compiled ``envoy.config.core.v3.HealthCheck``; times in ms."""

    ref: Ref
    kind: str
    unhealthy_threshold: int
    healthy_threshold: int
    interval_ms: float
    no_traffic_interval_ms: float
    no_traffic_healthy_interval_ms: float
    unhealthy_interval_ms: float
    unhealthy_edge_interval_ms: float
    healthy_edge_interval_ms: float

    def next_check_ms(self, *, healthy: bool, pending: bool, traffic: bool) -> float:
        """Return how long until the next check; ``pending``: a threshold is under way (``interval``)."""
        if not traffic:
            return self.no_traffic_healthy_interval_ms if healthy and not pending else self.no_traffic_interval_ms
        if healthy:
            return self.healthy_edge_interval_ms if pending else self.interval_ms
        return self.unhealthy_edge_interval_ms if pending else self.unhealthy_interval_ms


def compile_health_check(msg: Msg, ref: Ref) -> HealthCheck:
    """Compile ``msg``."""

    def time(name: str, default: float) -> float:
        return duration_ms(getattr(msg, name)) if msg.HasField(name) else default

    interval = time("interval", 0.0)
    no_traffic = time("no_traffic_interval", 60_000.0)
    unhealthy = time("unhealthy_interval", interval)
    return HealthCheck(
        ref,
        (msg.WhichOneof("health_checker") or "").removesuffix("_health_check"),
        msg.unhealthy_threshold.value,
        msg.healthy_threshold.value,
        interval,
        no_traffic,
        time("no_traffic_healthy_interval", no_traffic),
        unhealthy,
        time("unhealthy_edge_interval", unhealthy),
        time("healthy_edge_interval", interval),
    )


@dataclass(slots=True)
class Session:
    """The checks of one host; it starts from the health the host has."""

    first: bool = True
    healthy: int = 0
    unhealthy: int = 0

    def flips(self, check: HealthCheck, failed: bool, result: str) -> tuple[bool, bool]:
        """Count a result; return whether the host's health flips, and whether a flip is under way."""
        good = result in (SUCCESS, DEGRADED)
        self.unhealthy = 0 if good else self.unhealthy
        self.healthy = self.healthy if good else 0
        first, self.first = self.first, False
        transition = TRANSITIONS.get((failed, result))
        if transition is None:
            return False, False
        counter, at_once = transition
        if counter == "healthy":
            self.healthy += 1
            flips = first or self.healthy >= check.healthy_threshold
        else:
            self.unhealthy += 0 if at_once else 1
            flips = at_once or self.unhealthy >= check.unhealthy_threshold
        if flips:
            self.healthy = self.unhealthy = 0
        return flips, not flips


def check_result(
    cluster: Cluster, host: Host, result: str, world: World, state: State, telling: Telling
) -> float | None:
    """Take the result of one check; return how long until the next, ``None`` where the host is not checked."""
    check = cluster.health_check
    if check is None or not host.checked:
        return None
    live = live_cluster(cluster, world, state)
    session: Session = state.slot(("health_check", cluster.name, host.endpoint), Session)
    failed = FAILED_ACTIVE_HC in live.flags(host)
    flips, pending = session.flips(check, failed, result)
    now_ms = state.now_ms
    good = result in (SUCCESS, DEGRADED)
    if good and failed:
        live.uptimes.passed_ms[host] = now_ms
    if flips and good:
        live.clear_flags(host, {FAILED_ACTIVE_HC, EXCLUDED_VIA_IMMEDIATE_HC_FAIL, PENDING_ACTIVE_HC}, now_ms)
        telling.step("health check", check.ref, "{} passes its checks", host.endpoint)
    elif flips:
        live.set_flag(host, FAILED_ACTIVE_HC, True, now_ms)
        telling.step("health check", check.ref, "{} fails its checks", host.endpoint)
    if good and (DEGRADED_ACTIVE_HC in live.flags(host)) != (result == DEGRADED):
        live.set_flag(host, DEGRADED_ACTIVE_HC, result == DEGRADED, now_ms)
    if good and live.on_check_passed is not None and FAILED_ACTIVE_HC not in live.flags(host):
        live.on_check_passed(host, now_ms, telling)
    return check.next_check_ms(healthy=good, pending=pending, traffic=True)


def fail_immediately(cluster: Cluster, host: Host, world: World, state: State, telling: Telling) -> None:
    """A response carried ``x-envoy-immediate-health-check-fail`` (``setUnhealthyCrossThread``)."""
    if cluster.health_check is None or not host.checked:
        return
    live = live_cluster(cluster, world, state)
    if FAILED_ACTIVE_HC not in live.flags(host):
        live.set_flag(host, EXCLUDED_VIA_IMMEDIATE_HC_FAIL, True, state.now_ms)
        live.set_flag(host, FAILED_ACTIVE_HC, True, state.now_ms)
        telling.step("health check", cluster.health_check.ref, "{} failed at once by its own word", host.endpoint)
