"""What a set of texts is made of: characters, sequences, choices, repetitions, and the two anchors.

The alphabet is every Unicode character but the line feed, which no part of a request can hold; "any character" is
therefore one range, and a dot means the same with and without RE2's `s` flag.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ...lazy_dataclass import dataclass

Ranges = tuple[tuple[int, int], ...]
"""Code points from, to (both included), ascending, not touching."""
LAST: Final = 0x10FFFF
EVERY: Final[Ranges] = ((0, LAST),)
_FOLDED: Final = {"k": "\u212a", "s": "\u017f"}
"""What RE2 also takes for an ASCII letter where the case does not count."""


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of a set."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Concat:
    """One after the other; empty: the empty text."""

    parts: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Either:
    """One of several; empty: nothing at all."""

    parts: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeat:
    """From ``low`` to ``high`` times; ``None``: without end."""

    part: Node
    low: int
    high: int | None


@dataclass(frozen=True, slots=True)
class Anchor:
    """The beginning of the text, or its end."""

    end: bool


Node = Chars | Concat | Either | Repeat | Anchor
EMPTY: Final = Concat()
ANY: Final = Chars(EVERY)
ANYTHING: Final = Repeat(ANY, 0, None)


def normal(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Sort and join ranges."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def complement(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return all other characters."""
    others, position = [], 0
    for low, high in normal(ranges):
        if position < low:
            others.append((position, low - 1))
        position = high + 1
    if position <= LAST:
        others.append((position, LAST))
    return tuple(others)


def fold(ranges: Ranges) -> Ranges:
    """Add the other case of every letter."""
    more = list(ranges)
    for low, high in ranges:
        if (low, high) == (0, LAST):
            return EVERY
        for code in range(low, min(high, 0x24F) + 1):
            letter = chr(code)
            others = (letter.lower(), letter.upper(), _FOLDED.get(letter.lower(), ""))
            more += [(ord(other), ord(other)) for other in others if len(other) == 1]
        for plain, special in _FOLDED.items():
            if low <= ord(special) <= high:
                more += [(ord(plain), ord(plain)), (ord(plain.upper()), ord(plain.upper()))]
    return normal(more)


def literal(text: str, *, any_case: bool = False) -> Node:
    """Exactly ``text``; ``any_case`` folds ASCII letters alone, as Envoy's string matchers do."""
    return Concat(tuple(Chars(_letter(c) if any_case else ((ord(c), ord(c)),)) for c in text))


def _letter(character: str) -> Ranges:
    if character.isascii() and character.isalpha():
        return normal((ord(c), ord(c)) for c in (character.lower(), character.upper()))
    return ((ord(character), ord(character)),)


def concat(*parts: Node) -> Node:
    """One after the other."""
    return Concat(parts)
