"""A scenario as read: traffic, upstreams, duration, seed. Times are in ms of virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from ..lazy_dataclass import dataclass
from ..model.behaviour import Action
from ..model.request import Request


@dataclass(frozen=True, slots=True)
class Phase:
    """Requests per second from ``start_ms`` to ``end_ms``, going evenly from ``rate`` to ``to_rate``."""

    start_ms: float
    end_ms: float
    rate: float
    to_rate: float


@dataclass(frozen=True, slots=True)
class Burst:
    """``requests`` extra ones from ``at_ms`` on, evenly within ``over_ms``."""

    at_ms: float
    requests: int
    over_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """One stream of equal requests; ``arrivals`` says whether they come at random or evenly."""

    name: str
    request: Request
    phases: tuple[Phase, ...]
    bursts: tuple[Burst, ...] = ()
    arrivals: Literal["poisson", "steady"] = "poisson"


@dataclass(frozen=True, slots=True)
class LatencyLaw:
    """How long an upstream takes: ``fixed`` (value), ``uniform`` (low, high), ``normal`` (mean, deviation, cut at 0),
    ``exponential`` (mean), ``lognormal`` (median, sigma).
    """

    kind: Literal["fixed", "uniform", "normal", "exponential", "lognormal"] = "fixed"
    first: float = 0.0
    second: float = 0.0


@dataclass(frozen=True, slots=True)
class ErrorLaw:
    """A share of the requests that end otherwise; with ``latency``, after another time."""

    share: float
    status: int = 200
    action: Action = "reply"
    grpc_status: int | None = None
    latency: LatencyLaw | None = None


@dataclass(frozen=True, slots=True)
class Capacity:
    """An endpoint serves ``concurrency`` requests at once for their latency; others wait, at most ``queue`` of them.

    One more is answered at once with ``when_full``.
    """

    concurrency: int
    queue: int | None = None
    when_full: int = 503


State = Literal["", "hang", "refuse", "connect_timeout", "leave", "draining", "unhealthy", "degraded", "healthy"]


@dataclass(frozen=True, slots=True)
class Conduct:
    """How an endpoint behaves at some time; ``state`` is what the scenario did to it, "" for nothing."""

    latency: LatencyLaw = LatencyLaw()
    errors: tuple[ErrorLaw, ...] = ()
    capacity: Capacity | None = None
    state: State = ""


@dataclass(frozen=True, slots=True)
class Change:
    """From ``at_ms`` on the endpoints behave as ``conduct``; ``text`` says so in words."""

    at_ms: float
    conduct: Conduct
    text: str


@dataclass(frozen=True, slots=True)
class UpstreamRule:
    """What is said of an ``ip:port``, of every endpoint of a cluster, or of all (``*``)."""

    key: str
    conduct: Conduct
    changes: tuple[Change, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole scenario."""

    name: str
    duration_ms: float
    traffic: tuple[Traffic, ...]
    upstreams: Mapping[str, UpstreamRule] = field(default_factory=dict)
    seed: int = 0
    patience_ms: float = 60_000.0
    runtime: Mapping[str, str] = field(default_factory=dict)
    verdicts: Mapping[str, str] = field(default_factory=dict)
