"""Is there a text that all of some sets hold and none of others: a search over the automata side by side."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from .automaton import DEAD, Automaton
from .re2_syntax import Unsupported

MOST_NODES: Final = 50_000
NICE: Final = tuple(
    map(ord, "xabcdefghijklmnopqrstuvwyz0123456789-/._~ABCDEFGHIJKLMNOPQRSTUVWXYZ=:,@+*!$'()%;\"<>[]{}|&? ")
)
"""Characters in the order in which a person would like to see them in an example."""


def find_text(inside: Sequence[Automaton], outside: Sequence[Automaton]) -> str | None:
    """Return a shortest text that every automaton of ``inside`` accepts and none of ``outside``; ``None``: none.

    Raises Unsupported where the search grows too large.
    """
    automata = (*inside, *outside)
    wanted = len(inside)
    start = _reduced(tuple(0 for _ in automata), automata, wanted)
    if start is None:
        return None
    came: dict[tuple[int, ...], tuple[tuple[int, ...], int] | None] = {start: None}
    todo = deque([start])
    while todo:
        node = todo.popleft()
        if _accepts(node, automata, wanted):
            return _told(node, came)
        moves = [(i, automata[i].moves(s)) for i, s in enumerate(node) if s not in (DEAD, DONE)]
        cuts = sorted({0, *(start for _, m in moves for start in m.starts)})
        for character in _representatives(tuple(cuts)):
            further = list(node)
            for i, move in moves:
                further[i] = move.targets[bisect_right(move.starts, character) - 1]
            target = _reduced(tuple(further), automata, wanted)
            if target is not None and target not in came:
                if len(came) > MOST_NODES:
                    raise Unsupported("the search is too large")
                came[target] = (node, character)
                todo.append(target)
    return None


DONE: Final = -2
"""In place of a state from which everything is accepted."""


def _reduced(node: tuple[int, ...], automata: Sequence[Automaton], wanted: int) -> tuple[int, ...] | None:
    """Give up where nothing can come of it any more; mark what is settled."""
    out = list(node)
    for i, state in enumerate(node):
        if state == DONE:
            continue
        if state == DEAD:
            if i < wanted:
                return None
        elif automata[i].takes_all(state):
            if i >= wanted:
                return None
            out[i] = DONE
    return tuple(out)


def _accepts(node: tuple[int, ...], automata: Sequence[Automaton], wanted: int) -> bool:
    for i, state in enumerate(node):
        accepted = state == DONE or (state != DEAD and automata[i].accepting[state])
        if accepted != (i < wanted):
            return False
    return True


@lru_cache(maxsize=2048)
def _representatives(cuts: tuple[int, ...]) -> list[int]:
    """One character for each piece of the alphabet, the nicest, and the nicest pieces first."""
    best: dict[int, int] = {}
    for rank, code in enumerate(NICE):
        best.setdefault(bisect_right(cuts, code) - 1, rank)
    nice = [NICE[rank] for rank in sorted(best.values())]
    others = [cut if cut not in range(0xD800, 0xE000) else 0xE000 for i, cut in enumerate(cuts) if i not in best]
    return nice + others


def _told(node: tuple[int, ...], came: dict[tuple[int, ...], tuple[tuple[int, ...], int] | None]) -> str:
    characters: list[str] = []
    while (step := came[node]) is not None:
        node, code = step
        characters.append(chr(code))
    return "".join(reversed(characters))
