"""What a check finds in a dump."""

from __future__ import annotations

from typing import Final, Literal

from ..lazy_dataclass import dataclass
from .ref import Ref
from .request import Request

Severity = Literal["error", "warning", "info"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")
"""Worst first."""


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that belongs to a finding, and what it has to do with it."""

    ref: Ref
    text: str


@dataclass(frozen=True, slots=True)
class Witness:
    """A request that shows the finding; ``command`` plays it: the words after ``envoysim trace SOURCE``."""

    request: Request
    command: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One misbehaviour: where it stands (``ref``), in one sentence, and how to mend it.

    ``origin`` names the Istio or Gateway API object behind it, where the dump tells. ``count`` is how many places
    are folded into this one.
    """

    code: str
    name: str
    severity: Severity
    message: str
    ref: Ref
    fix: str
    related: tuple[Related, ...] = ()
    origin: str | None = None
    witness: Witness | None = None
    count: int = 1
