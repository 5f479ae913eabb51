"""Which requests reach a route: exact, by witness and refinement.

A box is a conjunction of literals. Take an example from the route's own box; if no earlier route takes the example,
the route is reachable and the example shows it. Otherwise cut what that earlier route takes out of the box, which
leaves one smaller box for each of its literals, and go on with those that are not empty. When no box is left, the
route is shadowed by exactly the routes that were cut out. Dimensions are independent of each other, so a box is
empty if and only if one dimension's literals contradict each other, which the automata decide.

Conditions that no literal expresses (dynamic metadata, a runtime key that may change) are taken once as always and
once as never passed by earlier routes: if both ways agree, that is the answer, otherwise it is not decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import cached_property, lru_cache, partial
from typing import Final

from ..lazy_dataclass import dataclass
from .language import Texts, Unsupported, find_text, numbers, texts
from .route_condition import CONNECT, PATH, Condition, Literal, Value, single_valued
from .takers import Takers

MOST_BOXES: Final = 3000
MOST_BLOCKERS_TRIED: Final = 8
METHODS: Final = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
"""What an example's method should be: HTTP/1 codecs refuse the ones they do not know."""
_CONTROL: Final = r"\x00-\x20\x7f"
_UNIVERSES: Final = {
    "method": texts("regex", r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"),
    "authority": texts("regex", rf"[^/?#@{_CONTROL}]*"),
    "header": texts("regex", r"[^\x00\r]*"),
    "query": texts("regex", rf"[^&#{_CONTROL}]*"),
    "cookie": texts("regex", r"[^;\x00\r]*"),
}
_NEVER_ABSENT: Final = ("header :method", "header :authority", "header :scheme", "header x-forwarded-proto")


@dataclass(frozen=True, slots=True)
class Paths:
    """Which paths there are: ``whole``: with their query; ``merged``: without doubled slashes; ``cut``: without `;`."""

    whole: bool = False
    merged: bool = False
    cut: bool = False

    @property
    def texts(self) -> Texts:
        """The set of all paths."""
        others = f"?#{_CONTROL}{';' if self.cut else ''}"
        path = f"/(?:[^/{others}]+/)*[^/{others}]*" if self.merged else f"/[^{others}]*"
        return texts("regex", path + (rf"(?:\?[^#{_CONTROL}]*)?" if self.whole else ""))


class Empty(Exception):
    """No value of a dimension passes."""


class Nothing(Enum):
    """Instead of a value, where there is none (``None`` is the absent value)."""

    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Reach:
    """What became of a route: an example that reaches it, or the positions that block it, or why nobody knows."""

    example: dict[str, Value] | None = None
    blockers: tuple[int, ...] = ()
    undecided: str = ""

    @property
    def shadowed(self) -> bool:
        """Tell whether no request can reach the route."""
        return self.example is None and not self.undecided


Box = dict[str, frozenset[Literal]]
Taker = tuple[int, Condition]
"""A condition and its position."""


class Reachability:
    """The routes of one virtual host, asked for ``paths``."""

    def __init__(self, conditions: Sequence[Condition], paths: Paths | None = None) -> None:
        self._conditions = conditions
        self._paths = paths or Paths()
        self._draws = frozenset(x.dimension for c in conditions for x in c.literals if x.dimension.startswith("draw"))

    @cached_property
    def _takers(self) -> Takers:
        return Takers(self._conditions)

    def example(self, position: int) -> dict[str, Value] | None:
        """Return values that pass a route's own condition; ``None`` if nothing does."""
        box = self._box(self._conditions[position])
        return None if box is None else self._values(box)

    def overlap(self, first: int, second: int) -> dict[str, Value] | None:
        """Return values that two routes both take; ``None`` if there are none."""
        box = self._box(self._conditions[first])
        for literal in self._conditions[second].literals:
            box = None if box is None else self._narrowed(box, literal)
        return None if box is None else self._values(box)

    def decide(self, position: int) -> Reach:
        """Say whether a request can reach the route at ``position`` past all before it."""
        mine = self._conditions[position]
        try:
            # First, whatever cannot be told of an earlier route stands in the way.
            example, _ = self._search(mine, lambda values: self._takers.taking(values, position))
            if example is not None:
                return Reach(example)
            example, blockers = self._search(mine, lambda values: self._known_takers(values, position, mine.unknown))
            if example is not None:
                unknown = {u for c in self._conditions[: position + 1] for u in c.unknown}
                return Reach(undecided=f"it depends on {', '.join(sorted(unknown))}")
            return Reach(blockers=self._fewest(mine, blockers))
        except Unsupported as problem:
            return Reach(undecided=str(problem))

    def _known_takers(self, values: dict[str, Value], position: int, given: frozenset[str]) -> Iterator[Taker]:
        """What surely takes an example before: nothing is unknown of it but what is ``given``."""
        return ((i, c) for i, c in self._takers.taking(values, position) if c.unknown <= given)

    def _search(
        self, mine: Condition, taking: Callable[[dict[str, Value]], Iterator[Taker]]
    ) -> tuple[dict[str, Value] | None, list[Taker]]:
        start = self._box(mine)
        todo = [] if start is None else [start]
        used: dict[int, Condition] = {}
        boxes = 0
        while todo:
            box = todo.pop()
            boxes += 1
            if boxes > MOST_BOXES:
                raise Unsupported(f"more than {MOST_BOXES} cases")
            values = self._values(box)
            taker = next(taking(values), None)
            if taker is None:
                return values, []
            used[taker[0]] = taker[1]
            for literal in taker[1].literals:
                rest = self._narrowed(box, literal.negation)
                if rest is not None:
                    todo.append(rest)
                kept = self._narrowed(box, literal)
                if kept is None:
                    break
                box = kept
        return None, sorted(used.items())

    def _fewest(self, mine: Condition, blockers: list[Taker]) -> tuple[int, ...]:
        """Leave out blockers that are not needed, where they are few enough to try."""
        if len(blockers) <= MOST_BLOCKERS_TRIED:
            for blocker in reversed(blockers):
                others = [b for b in blockers if b is not blocker]
                if self._search(mine, partial(_passed, others))[0] is None:
                    blockers = others
        return tuple(i for i, _ in blockers)

    def _box(self, mine: Condition) -> Box | None:
        # A request is CONNECT or has a path.
        connect = any(literal.dimension == CONNECT for literal in mine.literals)
        box: Box | None = {} if connect else {PATH: frozenset((Literal(PATH, False, "any"),))}
        for literal in mine.literals:
            box = None if box is None else self._narrowed(box, literal)
        return box

    def _narrowed(self, box: Box, literal: Literal) -> Box | None:
        """Add a literal; ``None`` where that leaves nothing."""
        before = box.get(literal.dimension, frozenset())
        if literal in before:
            return box
        after = before | {literal}
        try:
            solve(literal.dimension, after, self._paths)
        except Empty:
            return None
        return {**box, literal.dimension: after}

    def _values(self, box: Box) -> dict[str, Value]:
        values = {dimension: solve(dimension, literals, self._paths) for dimension, literals in box.items()}
        for dimension in _NEVER_ABSENT:
            values.setdefault(dimension, solve(dimension, frozenset(), self._paths))
        for dimension in self._draws:
            values.setdefault(dimension, solve(dimension, frozenset(), self._paths))
        return values


def _passed(some: Sequence[Taker], values: dict[str, Value]) -> Iterator[Taker]:
    return (taker for taker in some if taker[1].holds(values))


def solve(dimension: str, literals: frozenset[Literal], paths: Paths) -> Value:
    """Return the simplest value that passes all ``literals`` of a dimension; raises Empty."""
    result = _solve(dimension, literals, paths if dimension == PATH else None)
    if isinstance(result, Nothing):
        raise Empty
    return result


@lru_cache(maxsize=4096)
def _solve(dimension: str, literals: frozenset[Literal], paths: Paths | None) -> Value | Nothing:
    optional = dimension not in _NEVER_ABSENT and not dimension.startswith("draw")
    if optional and all(literal.absent for literal in literals):
        return None
    if any(literal.kind == "never" for literal in literals):
        return Nothing.NOTHING
    inside = sorted({x.texts for x in literals if x.kind == "some" and x.texts is not None}, key=repr)
    outside = sorted({x.texts for x in literals if x.kind == "none" and x.texts is not None}, key=repr)
    universe = _universe(dimension, paths)
    if single_valued(dimension) or not inside:
        return _found(inside, outside, universe)
    values: list[str] = []
    for wanted in inside:
        if any(map(wanted.has, values)):
            continue
        value = _found([wanted], outside, universe)
        if isinstance(value, Nothing):
            return value
        values.append(value)
    return values[0] if len(values) == 1 else tuple(values)


def _found(inside: Sequence[Texts], outside: Sequence[Texts], universe: Texts) -> str | Nothing:
    """Try the texts of the conditions themselves, then ask the automata."""
    guesses: list[str] = [x.text for x in inside if x.kind not in ("regex", "numbers", "before query")]
    usual: tuple[str, ...] = METHODS if universe is _UNIVERSES["method"] else () if guesses else ("example.com",)
    for guess in (*guesses, *usual):
        if universe.has(guess) and all(x.has(guess) for x in inside) and not any(x.has(guess) for x in outside):
            return guess
    text = find_text([universe.automaton, *(x.automaton for x in inside)], [x.automaton for x in outside])
    return Nothing.NOTHING if text is None else text


def _universe(dimension: str, paths: Paths | None) -> Texts:
    if paths is not None:
        return paths.texts
    if dimension.startswith("draw of "):
        return numbers(0, int(dimension.removeprefix("draw of ")))
    if dimension in ("header :method", "header :authority"):
        return _UNIVERSES[dimension.removeprefix("header :")]
    return _UNIVERSES.get(dimension.partition(" ")[0], _UNIVERSES["header"])
