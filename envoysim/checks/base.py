"""What a check is: one module, whose docstring is its manual page and whose ``CHECK`` is its entry in the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..lazy_dataclass import dataclass
from ..model.finding import Finding, Related, Severity, Witness

if TYPE_CHECKING:
    from ..model.ref import Ref
    from .subject import Subject


@dataclass(frozen=True, slots=True)
class Check:
    """A rule; ``name`` names the bad pattern (it reads well after "allow"), ``fix`` says what to do about it."""

    code: str
    name: str
    severity: Severity
    title: str
    fix: str
    find: Callable[[Subject], Iterator[Finding]]

    def finding(
        self,
        ref: Ref,
        message: str,
        *,
        related: tuple[Related, ...] = (),
        witness: Witness | None = None,
        origin: str | None = None,
        severity: Severity | None = None,
        fix: str | None = None,
        fold: str = "",
    ) -> Finding:
        """Make a finding of this rule; ``fold`` is the same for findings that say the same of many resources."""
        return Finding(
            self.code,
            self.name,
            severity or self.severity,
            message,
            ref,
            fix or self.fix,
            related,
            origin,
            witness,
            fold,
        )
