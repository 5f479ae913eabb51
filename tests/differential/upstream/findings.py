"""What one part of the comparison comes to: how many cases there were, and where the two sides differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from envoysim.verify.compare import Difference


@dataclass(frozen=True, slots=True)
class Findings:
    """The differences of a part, in words."""

    part: str
    cases: int
    differences: tuple[str, ...] = ()

    def __str__(self) -> str:
        agree = self.cases - len(self.differences)
        share = 100 * agree / max(self.cases, 1)
        return f"{self.part}: {self.cases} cases, {share:.2f} % agree, {len(self.differences)} differ"


def in_words(name: str, found: Iterable[Difference]) -> str:
    """Return one line about a case on which the sides differ."""
    return f"{name}: " + "; ".join(f"{d.field}: envoy {d.envoy!r}, envoysim {d.envoysim!r}" for d in found)
