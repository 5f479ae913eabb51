"""Filters that are not in the table, and filters that have no configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...model.reply import LocalReply
from .base import DecoderOnly, FilterModule, Verdict

if TYPE_CHECKING:
    from ..stream import Stream


@dataclass(frozen=True, slots=True)
class UnknownFilter(DecoderOnly):
    """Passes everything on and says that the real one might not."""

    ref: Ref
    note: str

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Say it and go on."""
        stream.telling.note(self.ref, self.note)
        return None


@dataclass(frozen=True, slots=True)
class MissingFilter(DecoderOnly):
    """Stands for filters whose configuration was never delivered (``MissingConfigFilter``)."""

    ref: Ref
    name: str

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Answer 500."""
        stream.telling.step(
            "http filter", self.ref, "filter `{}` has no configuration (ECDS) and no default: 500", self.name
        )
        return LocalReply(500, "", "", ("NFCF",))


def unknown_filter(type_name: str, name: str, ref: Ref) -> UnknownFilter:
    """Make the stand-in for a filter of an unknown type."""
    what = f"`{name}` ({type_name})" if type_name else f"`{name}`, which has no type,"
    return UnknownFilter(
        ref, f"filter {what} is not modelled: it may answer requests itself, change headers or choose another route"
    )


UNKNOWN: Final = FilterModule("", lambda msg, ref, proxy: UnknownFilter(ref, ""))
"""The row of everything without one: it accepts no per-route configuration."""
