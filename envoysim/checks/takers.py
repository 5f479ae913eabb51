"""Which of many conditions an example passes first, without asking each of them.

Every condition is filed under its rarest literal that a lookup can answer: one exact text, a prefix, or a regular
expression of a set that is asked at once. What has none is asked one by one. A table of ten thousand routes asks ten
thousand times, which would otherwise be a hundred million comparisons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from ..match.regex import RegexSet, compile_regex
from ..match.string_matcher import ascii_lower
from .route_condition import Condition, Literal, Value

FEW: Final = 40
"""So many conditions are asked one by one: an index costs more."""
REGEX: Final = "regex"
PREFIX: Final = "prefix"
EXACT: Final = "exact"

KINDS: Final = {EXACT: EXACT, PREFIX: PREFIX, "segments": PREFIX}
"""What finds which sets of texts; letters are compared in lower case, the condition itself has the last word."""

Key = tuple[str, str, str]
"""Dimension, kind and text."""


class Takers:
    """The conditions of a table, in their order."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._conditions = conditions
        self._rest: Sequence[int] = range(len(conditions))
        self._texts: dict[Key, list[int]] = {}
        self._lengths: dict[str, set[int]] = {}
        self._regexes: dict[str, RegexSet] = {}
        if len(conditions) > FEW:
            self._rest = self._file()

    def taking(self, values: dict[str, Value], before: int) -> Iterator[tuple[int, Condition]]:
        """Yield the conditions before a position that an example passes, first to last."""
        candidates = self._rest if not self._texts and not self._regexes else sorted(self._candidates(values))
        for position in candidates:
            if position >= before:
                return
            condition = self._conditions[position]
            if condition.holds(values):
                yield position, condition

    def _candidates(self, values: dict[str, Value]) -> Iterator[int]:
        yield from self._rest
        for dimension, value in values.items():
            some = () if value is None else (value,) if isinstance(value, str) else value
            # Several values of a header may find the same condition.
            found = {position for text in some for position in self._of(dimension, text)}
            yield from found

    def _of(self, dimension: str, text: str) -> Iterator[int]:
        folded = ascii_lower(text)
        yield from self._texts.get((dimension, EXACT, folded), ())
        for length in self._lengths.get(dimension, ()):
            if length <= len(text):
                yield from self._texts.get((dimension, PREFIX, folded[:length]), ())
        regexes = self._regexes.get(dimension)
        if regexes is not None:
            yield from regexes.matching(text)

    def _file(self) -> list[int]:
        """File all conditions; return those that cannot be."""
        rest: list[int] = []
        keys = [[key for literal in c.literals if (key := _key(literal)) is not None] for c in self._conditions]
        usual = Counter(key for some in keys for key in some)
        patterns: dict[str, list[tuple[int, str]]] = {}
        for position, some in enumerate(keys):
            if not some:
                rest.append(position)
                continue
            dimension, kind, text = key = min(some, key=lambda k: (usual[k], k[1] == REGEX))
            if kind == REGEX:
                patterns.setdefault(dimension, []).append((position, text))
                continue
            self._texts.setdefault(key, []).append(position)
            if kind == PREFIX:
                self._lengths.setdefault(dimension, set()).add(len(text))
        for dimension, pairs in patterns.items():
            self._regexes[dimension] = RegexSet((i, compile_regex(pattern)) for i, pattern in pairs)
        return rest


def _key(literal: Literal) -> Key | None:
    """What a lookup finds a literal by; ``None`` where an absent value may pass it, or the question is another."""
    wanted = literal.texts
    if literal.absent or literal.kind != "some" or wanted is None:
        return None
    if wanted.kind == REGEX:
        return literal.dimension, REGEX, wanted.text
    kind = KINDS.get(wanted.kind)
    return None if kind is None else (literal.dimension, kind, ascii_lower(wanted.text))
