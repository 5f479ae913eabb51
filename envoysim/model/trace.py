"""Why a request ended as it did: steps in the order of Envoy's stages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from ..lazy_dataclass import dataclass
from .outcome import Note, Outcome
from .ref import Ref
from .request import Request

STAGES: Final = (
    "listener",
    "listener filters",
    "filter chain",
    "downstream tls",
    "network filter",
    "tcp proxy",
    "connection manager",
    "route configuration",
    "virtual host",
    "route",
    "http filter",
    "route action",
    "cluster",
    "timeouts",
    "load balancer",
    "circuit breakers",
    "upstream request",
    "retry",
    "mirror",
    "outlier detection",
    "health check",
    "internal redirect",
    "response",
    "access log",
)
"""The words a step's stage may be, in Envoy's order."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate that lost, and its first failing condition (expected and actual)."""

    ref: Ref | None
    reason: str


class Step(NamedTuple):
    """What one stage decided: facts only. A request has a dozen of them: a tuple is the cheapest to make.

    ``template`` and ``args`` become text when rendered (``str.format``). ``losers`` recomputes the
    rejected candidates by asking the same matchers again; it is ``None`` unless the story is told
    with ``World.explain``.
    """

    stage: str
    ref: Ref | None
    template: str
    args: tuple[object, ...] = ()
    losers: Callable[[], tuple[Rejected, ...]] | None = None
    attempt: int = 0
    at_ms: float = 0.0

    @property
    def reason(self) -> str:
        """The decision in words."""
        return self.template.format(*self.args)


@dataclass(frozen=True, slots=True)
class Trace:
    """One simulated request: outcome, steps in order, notes, and what was assumed."""

    request: Request
    outcome: Outcome
    steps: tuple[Step, ...]
    notes: tuple[Note, ...] = ()
    assumed: tuple[str, ...] = ()
