"""What the user says about decisions that are not in a dump: the answers of services, and redacted secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ...model.ref import Ref
    from ..stream import Stream


class GivenVerdict(NamedTuple):
    """``World.verdicts``' word on a filter: ``allow``, ``deny`` or ``error``, and what follows it (``deny 401``)."""

    word: str
    rest: str

    @property
    def status(self) -> int | None:
        """The HTTP status that follows, if one does."""
        return int(self.rest) if self.rest.isdigit() and 100 <= int(self.rest) < 600 else None


def given_verdict(stream: Stream, name: str) -> GivenVerdict | None:
    """Return what the user says the filter ``name`` (``ext_authz``, ...) decides."""
    verdicts = stream.world.verdicts
    text = verdicts.get(name) if verdicts else None
    if text is None:
        return None
    word, _, rest = text.strip().partition(" ")
    return GivenVerdict(word.lower(), rest.strip())


def assume(stream: Stream, ref: Ref, text: str) -> None:
    """Say what was taken for granted, because the dump does not tell and the user did not."""
    telling = stream.telling
    telling.note(ref, text)
    if text not in telling.assumed:
        telling.assumed.append(text)
