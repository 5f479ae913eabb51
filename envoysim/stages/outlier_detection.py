"""Outlier detection: hosts that fail are ejected for a while.

Follows ``DetectorImpl`` in ``source/common/upstream/outlier_detection_impl.cc``. Nothing runs in the background:
the interval ticks that are due happen when a host is chosen or a result comes in (``LiveCluster.clock``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..model.world import World
from .host import DEGRADED_OUTLIER_DETECTION, FAILED_OUTLIER_CHECK, Host
from .load_balancer.live_cluster import LiveCluster, live_cluster
from .outlier_monitor import (
    AS_CODE,
    CONSECUTIVE,
    CONSECUTIVE_5XX,
    EXTERNAL,
    FAILURE_PERCENTAGE,
    LOCAL,
    SPLIT,
    SUCCESS_RATE,
    Kind,
    Monitor,
)

if TYPE_CHECKING:
    from ..model.world import State
    from .cluster import Cluster
    from .outlier_config import OutlierDetection
    from .stream import Telling


def report(
    cluster: Cluster, host: Host, result: str, code: int | None, state: State, telling: Telling, world: World
) -> None:
    """Report one result of ``host`` (``putResult``): a key of ``AS_CODE``, with the HTTP code if there is one."""
    config = cluster.outlier_detection
    if config is None:
        return
    detector = detector_of(cluster, config, world, state)
    detector.advance(state.now_ms, world, telling)
    detector.put_result(host, result, code, state.now_ms, world, telling)


def detector_of(cluster: Cluster, config: OutlierDetection, world: World, state: State) -> Detector:
    """Return the worker's detector of ``cluster``, made when its first result comes in."""

    def make() -> Detector:
        return Detector(cluster, config, live_cluster(cluster, world, state), state.now_ms)

    return state.slot(("outlier_detection", cluster.name), make)


class Detector:
    """One cluster's detector; its intervals count from virtual time 0."""

    __slots__ = ("_active", "_cluster", "_config", "_interval_ms", "_live", "_monitors", "_next_tick_ms", "_thresholds")

    def __init__(self, cluster: Cluster, config: OutlierDetection, live: LiveCluster, now_ms: float) -> None:
        self._cluster = cluster
        self._config = config
        self._live = live
        self._monitors = {host: Monitor() for host in cluster.hosts}
        self._active = 0
        self._thresholds: Mapping[str, int] = {
            name: self._number(kind.threshold, int(getattr(config, kind.threshold)))
            for name, kind in CONSECUTIVE.items()
        }
        self._interval_ms = self._time("interval_ms", config.interval_ms)
        self._next_tick_ms = self._tick_after(now_ms)
        live.clock = self.advance
        if config.successful_active_health_check_uneject_host:
            live.on_check_passed = self.check_passed

    def _tick_after(self, now_ms: float) -> float:
        return (math.floor(now_ms / self._interval_ms) + 1) * self._interval_ms

    def _number(self, key: str, default: int) -> int:
        return self._cluster.proxy.runtime.integer(f"outlier_detection.{key}", default)

    def _time(self, key: str, default: float) -> float:
        value = self._cluster.proxy.runtime.integer(f"outlier_detection.{key}", -1)
        return default if value < 0 else float(value)

    # ---- results

    def put_result(
        self, host: Host, result: str, code: int | None, now_ms: float, world: World, telling: Telling
    ) -> None:
        """Count a result and eject the host if a threshold is reached."""
        monitor = self._monitors.get(host)
        if monitor is None:
            return
        if result == "degraded" and self._config.detect_degraded_hosts:
            self._degrade(host, monitor, now_ms, world, telling)
        if self._config.split_external_local_origin_errors:
            origin, default = SPLIT[result]
            if origin == LOCAL:
                reached = monitor.detect_local(default == 1, self._thresholds)
            else:
                reached = monitor.detect_code(default if code is None else code, self._thresholds)
        else:
            counts_as = AS_CODE[result] if code is None else code
            reached = monitor.detect_code(counts_as, self._thresholds) if counts_as is not None else []
        for name in reached:
            if not monitor.ejected:
                self._detect(host, CONSECUTIVE[name], now_ms, world, telling)
                if name == CONSECUTIVE_5XX:
                    self._count(telling, "ejections_consecutive_5xx")
                monitor.counters[name] = 0

    def _detect(self, host: Host, kind: Kind, now_ms: float, world: World, telling: Telling) -> None:
        self._count(telling, f"ejections_detected_{kind.stat}")
        self._eject(host, kind, now_ms, world, telling)

    def _eject(self, host: Host, kind: Kind, now_ms: float, world: World, telling: Telling) -> None:
        """Eject an outlier if the cluster can spare it and the draw says so (``ejectHost``)."""
        config, where = self._config, self._config.ref
        limit = min(100, self._number("max_ejection_percent", config.max_ejection_percent))
        share = 100.0 * (self._active + 1) / len(self._monitors)
        if share > limit and not (config.always_eject_one_host and self._active == 0):
            self._count(telling, "ejections_overflow")
            telling.step(
                "outlier detection",
                where,
                "{} is an outlier by {}; not ejected: {} of {} hosts would exceed max_ejection_percent {}",
                host.endpoint,
                kind.words,
                self._active + 1,
                len(self._monitors),
                limit,
            )
            return
        if kind.counts_in_total:
            self._count(telling, "ejections_total")
        percent = int(getattr(config, kind.enforcing))
        if not self._cluster.proxy.runtime.enabled_percent(kind.enforcing_key, percent, world):
            words = "{} is an outlier by {}; not ejected: {} is {} %"
            telling.step("outlier detection", where, words, host.endpoint, kind.words, kind.enforcing, percent)
            return
        self._active += 1
        self._count(telling, "ejections_enforced_total")
        self._count(telling, f"ejections_enforced_{kind.stat}")
        self._count(telling, "ejections_active")
        monitor = self._monitors[host]
        monitor.ejected, monitor.ejected_ms = True, now_ms
        monitor.jitter_ms = self._jitter(world)
        base, longest = self._base_ms, self._max_ms
        if monitor.backoff * base < longest + base:
            monitor.backoff += 1
        self._live.set_flag(host, FAILED_OUTLIER_CHECK, True, now_ms)
        lasts = min(base * monitor.backoff, longest) + monitor.jitter_ms
        telling.step("outlier detection", where, "{} ejected by {} for {} ms", host.endpoint, kind.words, round(lasts))

    @property
    def _base_ms(self) -> float:
        return self._time("base_ejection_time_ms", self._config.base_ejection_time_ms)

    @property
    def _max_ms(self) -> float:
        return self._time("max_ejection_time_ms", self._config.max_ejection_time_ms)

    def _jitter(self, world: World) -> float:
        most = self._time("max_ejection_time_jitter_ms", self._config.max_ejection_time_jitter_ms)
        return math.floor(world.chance.uniform(0, most + 1, "ejection time jitter")) if most else 0.0

    def _degrade(self, host: Host, monitor: Monitor, now_ms: float, world: World, telling: Telling) -> None:
        """Mark a host that says it is degraded (``setHostDegradedMainThread``)."""
        if monitor.degraded:
            return
        self._count(telling, "ejections_detected_degradation")
        monitor.degraded, monitor.degraded_ms = True, now_ms
        monitor.jitter_ms = self._jitter(world)
        if monitor.degrade_backoff * self._base_ms < self._max_ms + self._base_ms:
            monitor.degrade_backoff += 1
        self._live.set_flag(host, DEGRADED_OUTLIER_DETECTION, True, now_ms)
        telling.step("outlier detection", self._config.ref, "{} is degraded by its own word", host.endpoint)

    # ---- ticks

    def advance(self, now_ms: float, world: World, telling: Telling) -> None:
        """Run every tick due by ``now_ms``; stretches in which nothing can happen are jumped over."""
        while self._next_tick_ms <= now_ms:
            if all(monitor.quiet for monitor in self._monitors.values()):
                self._next_tick_ms = self._tick_after(now_ms)
                return
            self._tick(self._next_tick_ms, world, telling)
            self._next_tick_ms += self._interval_ms

    def _tick(self, now_ms: float, world: World, telling: Telling) -> None:
        """Un-eject, judge the interval that ended, let back-off decay (``onIntervalTimer``)."""
        for host, monitor in self._monitors.items():
            if monitor.ejected and self._over(monitor.backoff, monitor.jitter_ms, monitor.ejected_ms, now_ms):
                self._uneject(host, monitor, now_ms, telling)
            if monitor.degraded and self._over(monitor.degrade_backoff, monitor.jitter_ms, monitor.degraded_ms, now_ms):
                monitor.degraded, monitor.undegraded_ms = False, now_ms
                self._live.set_flag(host, DEGRADED_OUTLIER_DETECTION, False, now_ms)
            for rate in monitor.rates.values():
                rate.turn()
        for origin in (EXTERNAL, LOCAL):
            self._judge(origin, now_ms, world, telling)
        for monitor in self._monitors.values():
            if not monitor.ejected and self._rested(monitor.unejected_ms, now_ms) and monitor.backoff:
                monitor.backoff -= 1
            if not monitor.degraded and self._rested(monitor.undegraded_ms, now_ms) and monitor.degrade_backoff:
                monitor.degrade_backoff -= 1

    def _over(self, backoff: int, jitter_ms: float, since_ms: float, now_ms: float) -> bool:
        return min(self._base_ms * backoff, self._max_ms) + jitter_ms <= now_ms - since_ms

    def _rested(self, since_ms: float | None, now_ms: float) -> bool:
        return since_ms is not None and now_ms - since_ms >= self._interval_ms

    def _uneject(self, host: Host, monitor: Monitor, now_ms: float, telling: Telling) -> None:
        self._active -= 1
        self._count(telling, "ejections_active", -1)
        monitor.ejected, monitor.unejected_ms = False, now_ms
        monitor.reset_counters()
        self._live.set_flag(host, FAILED_OUTLIER_CHECK, False, now_ms)
        telling.step("outlier detection", self._config.ref, "{} is back at {} ms", host.endpoint, round(now_ms))

    def check_passed(self, host: Host, now_ms: float, telling: Telling) -> None:
        """An active health check passed: the host comes back at once."""
        monitor = self._monitors.get(host)
        if monitor is not None and monitor.ejected:
            self._uneject(host, monitor, now_ms, telling)

    def _judge(self, origin: str, now_ms: float, world: World, telling: Telling) -> None:
        """Find outliers by success rate and by failure percentage (``processSuccessRateEjections``)."""
        config = self._config
        min_success = self._number("success_rate_minimum_hosts", config.success_rate_minimum_hosts)
        min_failure = self._number("failure_percentage_minimum_hosts", config.failure_percentage_minimum_hosts)
        if len(self._monitors) < min_success and len(self._monitors) < min_failure:
            return
        rates = {
            host: found
            for host, monitor in self._monitors.items()
            if not monitor.ejected and (found := monitor.rates[origin].rate()) is not None
        }
        volume = self._number("success_rate_request_volume", config.success_rate_request_volume)
        judged = {host: rate for host, (rate, total) in rates.items() if total >= volume}
        if judged and len(judged) >= min_success:
            factor = self._number("success_rate_stdev_factor", config.success_rate_stdev_factor) / 1000.0
            threshold = ejection_threshold(list(judged.values()), factor)
            for host, rate in judged.items():
                if rate < threshold:
                    self._count(telling, "ejections_success_rate")
                    self._detect(host, SUCCESS_RATE[origin], now_ms, world, telling)
        volume = self._number("failure_percentage_request_volume", config.failure_percentage_request_volume)
        judged = {host: rate for host, (rate, total) in rates.items() if total >= volume}
        if judged and len(judged) >= min_failure:
            limit = self._number("failure_percentage_threshold", config.failure_percentage_threshold)
            for host, rate in judged.items():
                if 100.0 - rate >= limit:
                    self._count(telling, f"ejections_detected_{FAILURE_PERCENTAGE[origin].stat}")
                    if not self._monitors[host].ejected:
                        self._eject(host, FAILURE_PERCENTAGE[origin], now_ms, world, telling)

    def _count(self, telling: Telling, stat: str, by: int = 1) -> None:
        telling.count(f"cluster.{self._cluster.observability_name}.outlier_detection.{stat}", by)


def ejection_threshold(rates: list[float], factor: float) -> float:
    """Return mean less ``factor`` standard deviations (``successRateEjectionThreshold``)."""
    mean = sum(rates) / len(rates)
    variance = sum((rate - mean) ** 2 for rate in rates) / len(rates)
    return mean - factor * math.sqrt(variance)
