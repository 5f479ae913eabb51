"""What came of a scenario: totals, a series over time, the health of hosts, and the moments when something changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles in ms; all but ``max_ms`` and ``mean_ms`` come from buckets 2 % wide."""

    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Totals:
    """What the requests of one stream, route or cluster came to.

    ``ok`` are answers below 500 (and without an error in ``grpc-status``). ``statuses`` counts by status, ``flags`` by
    Envoy's response flag. ``attempts`` are requests that reached an upstream.
    """

    name: str
    requests: int
    ok: int
    attempts: int
    latency: Latency
    statuses: Mapping[str, int]
    flags: Mapping[str, int]

    @property
    def success_rate(self) -> float:
        """The share of requests that were answered well, 1 where there were none."""
        return self.ok / self.requests if self.requests else 1.0

    @property
    def amplification(self) -> float:
        """Attempts per request."""
        return self.attempts / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class EndpointTotals:
    """One endpoint's part: ``share`` of the cluster's attempts, how many of them failed, how long it was ejected."""

    endpoint: str
    attempts: int
    failures: int
    share: float
    ejections: int
    ejected_ms: float


@dataclass(frozen=True, slots=True)
class ClusterTotals:
    """A cluster: its requests' totals, Envoy's counters in words, its endpoints."""

    totals: Totals
    retries: int
    timeouts: int
    overflows: int
    ejections: int
    panics: int
    panic_ms: float
    endpoints: Sequence[EndpointTotals]


@dataclass(frozen=True, slots=True)
class Bin:
    """One stretch of time; arrivals count where they arrive, everything else where it ends."""

    start_ms: float
    arrivals: int
    ended: int
    ok: int
    attempts: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Span:
    """A host's health (or a cluster's panic) from ``start_ms`` to ``end_ms``."""

    start_ms: float
    end_ms: float
    state: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One host's health over time as Envoy sees it, and what the scenario did to it."""

    cluster: str
    endpoint: str
    health: Sequence[Span]
    scripted: Sequence[Span] = ()


@dataclass(slots=True)
class Moment:
    """Something changed: when, where, and why; said again until ``last_ms`` it counts ``times``."""

    at_ms: float
    kind: str
    cluster: str
    text: str
    times: int = 1
    last_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """The whole answer. ``simulated_ms`` falls short of ``duration_ms`` where the run was interrupted."""

    title: str
    seed: int
    duration_ms: float
    simulated_ms: float
    interrupted: bool
    requests: int
    streams: Sequence[Totals]
    routes: Sequence[Totals]
    clusters: Sequence[ClusterTotals]
    bin_ms: float
    bins: Sequence[Bin]
    lanes: Sequence[Lane]
    panics: Mapping[str, Sequence[Span]]
    moments: Sequence[Moment]
    moments_left_out: int
    notes: Sequence[str]
