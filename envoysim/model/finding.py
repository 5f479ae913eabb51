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
class Named:
    """Something on the way to a place: its kind and name, or its ``index`` where it has none.

    ``more`` is how many others of the kind lead there too.
    """

    kind: str
    name: str
    index: int | None = None
    more: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A further place of a finding."""

    ref: Ref
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One misbehaviour: where it stands (``ref``), in one sentence, and how to mend it.

    ``origin`` names the Istio or Gateway API object behind it, where the dump tells. Findings of a rule with the same
    ``fold`` (where there is none: that say the same) are one for a person; the others' places are in ``places`` then.
    ``trail`` holds the names on the way to the place, ``fingerprint`` identifies the finding from one dump to the next.
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
    fold: str = ""
    places: tuple[Place, ...] = ()
    trail: tuple[Named, ...] = ()
    fingerprint: str = ""

    @property
    def count(self) -> int:
        """In how many places it was found."""
        return 1 + len(self.places)
