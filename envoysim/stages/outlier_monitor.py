"""What outlier detection remembers of one host, and the kinds of outliers there are.

Follows ``DetectorHostMonitorImpl`` in ``source/common/upstream/outlier_detection_impl.cc``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final, NamedTuple

from ..lazy_dataclass import dataclass

EXTERNAL, LOCAL = "external", "local"


class Kind(NamedTuple):
    """One kind of outlier: its name in counters, the fields of OutlierDetection that steer it, its runtime key."""

    stat: str
    enforcing: str
    words: str
    threshold: str = ""
    counts_in_total: bool = False

    @property
    def enforcing_key(self) -> str:
        """The runtime key that replaces the enforcing percentage."""
        return f"outlier_detection.{self.enforcing}"


CONSECUTIVE_5XX = "consecutive_5xx"
CONSECUTIVE_GATEWAY_FAILURE = "consecutive_gateway_failure"
CONSECUTIVE_LOCAL_ORIGIN_FAILURE = "consecutive_local_origin_failure"

CONSECUTIVE: Final[Mapping[str, Kind]] = {
    CONSECUTIVE_5XX: Kind(
        "consecutive_5xx", "enforcing_consecutive_5xx", "consecutive 5xx", "consecutive_5xx", counts_in_total=True
    ),
    CONSECUTIVE_GATEWAY_FAILURE: Kind(
        "consecutive_gateway_failure",
        "enforcing_consecutive_gateway_failure",
        "consecutive gateway failures",
        "consecutive_gateway_failure",
    ),
    CONSECUTIVE_LOCAL_ORIGIN_FAILURE: Kind(
        "consecutive_local_origin_failure",
        "enforcing_consecutive_local_origin_failure",
        "consecutive local origin failures",
        "consecutive_local_origin_failure",
    ),
}
"""Judged at every result."""

SUCCESS_RATE: Final[Mapping[str, Kind]] = {
    EXTERNAL: Kind("success_rate", "enforcing_success_rate", "success rate", counts_in_total=True),
    LOCAL: Kind("local_origin_success_rate", "enforcing_local_origin_success_rate", "local origin success rate"),
}
FAILURE_PERCENTAGE: Final[Mapping[str, Kind]] = {
    EXTERNAL: Kind("failure_percentage", "enforcing_failure_percentage", "failure percentage"),
    LOCAL: Kind(
        "local_origin_failure_percentage",
        "enforcing_failure_percentage_local_origin",
        "local origin failure percentage",
    ),
}
"""Judged at the end of every interval, over the requests in it."""

# Result -> HTTP code it counts as, where local and external errors are not split (``resultToHttpCode``).
AS_CODE: Final[Mapping[str, int | None]] = {
    "answer": 200,
    "degraded": 200,
    "connected": None,
    "connected_final": 200,
    "timeout": 504,
    "connect_timeout": 504,
    "connect_failed": 503,
    "failed": 500,
}
# Result -> what it does where they are split (``putResultWithLocalExternalSplit``).
SPLIT: Final[Mapping[str, tuple[str, int]]] = {
    "answer": (EXTERNAL, 200),
    "degraded": (EXTERNAL, 200),
    "failed": (EXTERNAL, 503),
    "connected": (LOCAL, 1),
    "connected_final": (LOCAL, 1),
    "timeout": (LOCAL, 0),
    "connect_timeout": (LOCAL, 0),
    "connect_failed": (LOCAL, 0),
}


@dataclass(slots=True)
class Bucket:
    """Results of one interval."""

    total: int = 0
    success: int = 0


@dataclass(slots=True)
class RateMonitor:
    """The interval that runs, and the one before it (``SuccessRateAccumulator``)."""

    current: Bucket = field(default_factory=Bucket)
    previous: Bucket = field(default_factory=Bucket)

    def count(self, *, success: bool) -> None:
        """Count a result."""
        self.current.total += 1
        self.current.success += success

    def turn(self) -> None:
        """Start a new interval."""
        self.previous, self.current = self.current, Bucket()

    def rate(self) -> tuple[float, int] | None:
        """Return success rate in percent and number of requests of the interval before."""
        bucket = self.previous
        return (bucket.success * 100.0 / bucket.total, bucket.total) if bucket.total else None


@dataclass(slots=True)
class Monitor:
    """One host's counters and ejections."""

    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CONSECUTIVE, 0))
    rates: dict[str, RateMonitor] = field(default_factory=lambda: {EXTERNAL: RateMonitor(), LOCAL: RateMonitor()})
    ejected: bool = False
    ejected_ms: float = 0.0
    unejected_ms: float | None = None
    jitter_ms: float = 0.0
    backoff: int = 0
    """The ejection lasts this many times the base time."""
    degraded: bool = False
    degraded_ms: float = 0.0
    undegraded_ms: float | None = None
    degrade_backoff: int = 0

    def detect_code(self, code: int, thresholds: Mapping[str, int]) -> list[str]:
        """Count an HTTP code; return the kinds whose threshold it reaches (``putHttpResponseCode``)."""
        counters, rate = self.counters, self.rates[EXTERNAL]
        if not 500 <= code < 600:
            rate.count(success=True)
            counters[CONSECUTIVE_5XX] = counters[CONSECUTIVE_GATEWAY_FAILURE] = 0
            return []
        rate.count(success=False)
        reached = []
        if 502 <= code <= 504:
            counters[CONSECUTIVE_GATEWAY_FAILURE] += 1
            if counters[CONSECUTIVE_GATEWAY_FAILURE] == thresholds[CONSECUTIVE_GATEWAY_FAILURE]:
                reached.append(CONSECUTIVE_GATEWAY_FAILURE)
        else:
            counters[CONSECUTIVE_GATEWAY_FAILURE] = 0
        counters[CONSECUTIVE_5XX] += 1
        if counters[CONSECUTIVE_5XX] == thresholds[CONSECUTIVE_5XX]:
            reached.append(CONSECUTIVE_5XX)
        return reached

    def detect_local(self, success: bool, thresholds: Mapping[str, int]) -> list[str]:
        """Count a result of local origin (``localOriginFailure``, ``localOriginNoFailure``)."""
        self.rates[LOCAL].count(success=success)
        kind = CONSECUTIVE_LOCAL_ORIGIN_FAILURE
        if success:
            self.counters[kind] = 0
            return []
        self.counters[kind] += 1
        return [kind] if self.counters[kind] == thresholds[kind] else []

    def reset_counters(self) -> None:
        """Forget consecutive failures."""
        for kind in self.counters:
            self.counters[kind] = 0

    @property
    def quiet(self) -> bool:
        """Nothing would happen at a tick."""
        return (
            not self.ejected
            and not self.degraded
            and not self.backoff
            and not self.degrade_backoff
            and not any(rate.current.total or rate.previous.total for rate in self.rates.values())
        )
