"""Sets of texts as matchers mean them, with a quick test for one text and an automaton for exact questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from functools import lru_cache
from typing import Final

from ...lazy_dataclass import dataclass
from ...match.header_matcher import parse_int64
from ...match.path_matcher import without_query
from ...match.regex import compile_regex
from ...match.string_matcher import ascii_lower
from .automaton import Automaton
from .nodes import ANYTHING, Anchor, Chars, Concat, Either, Node, Ranges, Repeat, complement, concat, literal
from .re2_syntax import DIGIT, Unsupported, parse

Test = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Texts:
    """A set of texts: ``kind`` and ``text`` name it (and make it equal to another), ``has`` asks for one."""

    kind: str
    text: str
    any_case: bool = False
    has: Test = field(compare=False, repr=False, default=lambda text: False)
    inner: Texts | None = None

    @property
    def automaton(self) -> Automaton:
        """The exact set; raises Unsupported where it falls outside."""
        built = _automaton(self)
        if isinstance(built, str):
            raise Unsupported(built)
        return built

    def check(self) -> None:
        """Raise Unsupported where the set's description falls outside; builds no automaton."""
        _node(self)


@lru_cache(maxsize=64)
def _automaton(texts: Texts) -> Automaton | str:
    try:
        return Automaton(_node(texts))
    except Unsupported as problem:
        return str(problem)


def texts(kind: str, text: str, *, any_case: bool = False) -> Texts:
    """Return the set of ``kind``: exact, prefix, suffix, contains, segments, regex."""
    if kind == "regex":
        return Texts(kind, text, False, compile_regex(text).matches)
    folded = ascii_lower(text) if any_case else text
    test = _TESTS[kind](folded)
    return Texts(kind, folded, any_case, (lambda value: test(ascii_lower(value))) if any_case else test)


_TESTS: Final[dict[str, Callable[[str], Test]]] = {
    "exact": lambda text: text.__eq__,
    "prefix": lambda text: lambda value: value.startswith(text),
    "suffix": lambda text: lambda value: value.endswith(text),
    "contains": lambda text: lambda value: text in value,
    "segments": lambda text: lambda value: value.startswith(text) and value[len(text) : len(text) + 1] in ("", "/"),
}


def numbers(start: int, end: int) -> Texts:
    """Texts that read as a 64-bit number of ``[start, end)``."""

    def test(value: str) -> bool:
        number = parse_int64(value)
        return number is not None and start <= number < end

    return Texts("numbers", f"{start}:{end}", False, test)


def before_query(path: Texts) -> Texts:
    """Whole ``:path`` values whose part before the query is in ``path``."""
    return Texts("before query", path.text, path.any_case, lambda value: path.has(without_query(value)), path)


def opaque(what: str) -> Texts:
    """A set nobody here can tell anything about."""
    return Texts("opaque", what)


def _node(texts: Texts) -> Node:
    if texts.kind == "opaque":
        raise Unsupported(texts.text)
    if texts.kind == "regex":
        error = compile_regex(texts.text).error
        return Either() if error else parse(texts.text)
    if texts.inner is not None:
        query = concat(Chars(_QUERY), ANYTHING)
        return concat(_without(_node(texts.inner), _QUERY), Repeat(query, 0, 1))
    if texts.kind == "numbers":
        return _numbers(*map(int, texts.text.split(":")))
    text = literal(texts.text, any_case=texts.any_case)
    return {
        "exact": text,
        "prefix": concat(text, ANYTHING),
        "suffix": concat(ANYTHING, text),
        "contains": concat(ANYTHING, text, ANYTHING),
        "segments": concat(text, Repeat(concat(literal("/"), ANYTHING), 0, 1)),
    }[texts.kind]


_QUERY: Final = ((35, 35), (63, 63))
"""What ends a path: `#` and `?`."""


def _without(node: Node, ranges: Ranges) -> Node:
    """The texts of ``node`` in which no character of ``ranges`` occurs."""
    if isinstance(node, Chars):
        return Chars(complement((*complement(node.ranges), *ranges)))
    if isinstance(node, Repeat):
        return Repeat(_without(node.part, ranges), node.low, node.high)
    if isinstance(node, Anchor):
        return node
    return type(node)(tuple(_without(part, ranges) for part in node.parts))


def _numbers(start: int, end: int) -> Node:
    low, high = max(start, -(1 << 63)), min(end, 1 << 63) - 1
    if low > high:
        return Either()
    parts: list[Node] = []
    if high >= 0:
        parts.append(concat(Repeat(literal("+"), 0, 1), _between(max(low, 0), high)))
    if low <= 0:
        # `-0` reads as 0.
        smallest = 0 if high >= 0 else -high
        parts.append(concat(literal("-"), _between(smallest, -low)))
    blank = Repeat(Chars(((9, 13), (32, 32))), 0, None)
    return concat(blank, Either(tuple(parts)), blank)


def _between(low: int, high: int) -> Node:
    """Decimals from ``low`` to ``high``, with any zeros in front."""
    width = len(str(high))
    return concat(Repeat(literal("0"), 0, None), _fixed(str(low).zfill(width), str(high)))


def _fixed(low: str, high: str) -> Node:
    """Decimals of one width between two; zeros in front may be left out as long as a digit remains."""
    parts: list[Node] = []
    for width in range(1, len(high) + 1):
        least, most = max(int(low), 10 ** (width - 1) if width > 1 else 0), min(int(high), 10**width - 1)
        if least <= most:
            parts.append(_same_width(str(least).zfill(width), str(most)))
    return Either(tuple(parts))


def _same_width(low: str, high: str) -> Node:
    if not low:
        return Concat()
    if low == "0" * len(low) and high == "9" * len(high):
        return Repeat(Chars(DIGIT), len(low), len(low))
    first, last = int(low[0]), int(high[0])
    if first == last:
        return concat(literal(low[0]), _same_width(low[1:], high[1:]))
    rest = len(low) - 1
    parts = [concat(literal(low[0]), _same_width(low[1:], "9" * rest))]
    if first + 1 < last:
        middle = Chars(((48 + first + 1, 48 + last - 1),))
        parts.append(concat(middle, Repeat(Chars(DIGIT), rest, rest)))
    parts.append(concat(literal(high[0]), _same_width("0" * rest, high[1:])))
    return Either(tuple(parts))


__all__ = ["Texts", "Unsupported", "before_query", "numbers", "opaque", "texts"]
