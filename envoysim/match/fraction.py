"""``envoy.type.v3.FractionalPercent`` (``ProtobufPercentHelper``)."""

from __future__ import annotations

from typing import Final, NamedTuple

from ..schema import Msg, enum_name

DENOMINATORS: Final = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


class Fraction(NamedTuple):
    """A share: a random number passes if ``number % denominator < numerator``."""

    numerator: int
    denominator: int = 100

    def __str__(self) -> str:
        return f"{100 * self.numerator / self.denominator:g} %"


ALWAYS: Final = Fraction(100)
NEVER: Final = Fraction(0)


def compile_fraction(msg: Msg) -> Fraction:
    """Compile ``msg``; nothing set means 0 of 100."""
    return Fraction(msg.numerator, DENOMINATORS.get(enum_name(msg, "denominator"), 100))
