"""Finite automata: built of nodes, made deterministic state by state as a search asks for them."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from ...lazy_dataclass import dataclass
from .nodes import EVERY, Chars, Concat, Either, Node, Ranges, Repeat
from .re2_syntax import Unsupported

DEAD: Final = -1
MOST_STATES: Final = 20_000


@dataclass(slots=True)
class _Nfa:
    """Thompson's construction. ``free`` edges cost nothing; those of ``anchored`` only at the text's begin or end."""

    edges: list[list[tuple[Ranges, int]]] = field(default_factory=list)
    free: list[list[int]] = field(default_factory=list)
    anchored: dict[int, list[tuple[bool, int]]] = field(default_factory=dict)

    def state(self) -> int:
        if len(self.edges) > MOST_STATES:
            raise Unsupported("the pattern is too large")
        self.edges.append([])
        self.free.append([])
        return len(self.edges) - 1

    def add(self, node: Node, start: int) -> int:
        """Add ``node`` from ``start``; return the state in which it has been read."""
        if isinstance(node, Chars):
            end = self.state()
            self.edges[start].append((node.ranges, end))
            return end
        if isinstance(node, Concat):
            for part in node.parts:
                start = self.add(part, start)
            return start
        if isinstance(node, Either):
            end = self.state()
            for part in node.parts:
                self.free[self.add(part, self._from(start))].append(end)
            return end
        if isinstance(node, Repeat):
            return self._repeat(node, start)
        end = self.state()
        self.anchored.setdefault(start, []).append((node.end, end))
        return end

    def _from(self, start: int) -> int:
        state = self.state()
        self.free[start].append(state)
        return state

    def _repeat(self, node: Repeat, start: int) -> int:
        for _ in range(node.low):
            start = self.add(node.part, start)
        if node.high is None:
            loop = self._from(start)
            if isinstance(node.part, Chars):
                self.edges[loop].append((node.part.ranges, loop))
            else:
                self.free[self.add(node.part, self._from(loop))].append(loop)
            return self._from(loop)
        end = self.state()
        self.free[start].append(end)
        for _ in range(node.high - node.low):
            start = self.add(node.part, start)
            self.free[start].append(end)
        return end


@dataclass(frozen=True, slots=True)
class Moves:
    """Where a state goes: ``targets[i]`` for characters from ``starts[i]`` up to the next start."""

    starts: tuple[int, ...]
    targets: tuple[int, ...]


class Automaton:
    """A deterministic automaton; state 0 is the start, ``DEAD`` takes nothing any more."""

    def __init__(self, node: Node) -> None:
        self._nfa = _Nfa()
        start = self._nfa.state()
        self._end = self._nfa.add(node, start)
        self._sure = self._universal()
        self._numbers: dict[frozenset[int], int] = {}
        self._sets: list[frozenset[int]] = []
        self._moves: list[Moves | None] = []
        self.accepting: list[bool] = []
        self._number(self._closure([start], begin=True))

    def _universal(self) -> frozenset[int]:
        """States from which every text is taken."""
        return frozenset(
            state
            for state, edges in enumerate(self._nfa.edges)
            if (EVERY, state) in edges and self._end in self._reach([state], begin=False, end=False)
        )

    def _reach(self, states: list[int], *, begin: bool, end: bool) -> set[int]:
        seen, todo = set(states), list(states)
        while todo:
            state = todo.pop()
            further = list(self._nfa.free[state])
            if state in self._nfa.anchored:
                further += [t for at_end, t in self._nfa.anchored[state] if (end if at_end else begin)]
            for target in further:
                if target not in seen:
                    seen.add(target)
                    todo.append(target)
        return seen

    def _closure(self, states: list[int], *, begin: bool = False) -> frozenset[int]:
        reached = frozenset(self._reach(states, begin=begin, end=False))
        sure = reached & self._sure
        if not sure:
            return reached
        # Whatever else could be read, all is taken: one name for all such states.
        return frozenset({min(self._sure)}) | {self._end}

    def _number(self, states: frozenset[int]) -> int:
        number = self._numbers.get(states)
        if number is None:
            if len(self._sets) > MOST_STATES:
                raise Unsupported("the automaton is too large")
            number = self._numbers[states] = len(self._sets)
            self._sets.append(states)
            self._moves.append(None)
            begin = number == 0
            self.accepting.append(self._end in self._reach(list(states), begin=begin, end=True))
        return number

    def moves(self, state: int) -> Moves:
        """Return where ``state`` goes, for every character."""
        moves = self._moves[state]
        if moves is None:
            moves = self._moves[state] = self._compute(self._sets[state])
        return moves

    def _compute(self, states: frozenset[int]) -> Moves:
        edges = [(low, high, target) for s in states for ranges, target in self._nfa.edges[s] for low, high in ranges]
        cuts = sorted({0, *(low for low, _, _ in edges), *(high + 1 for _, high, _ in edges)})
        starts: list[int] = []
        targets: list[int] = []
        for cut in cuts:
            if cut > EVERY[0][1]:
                continue
            reached = [target for low, high, target in edges if low <= cut <= high]
            target = self._number(self._closure(reached)) if reached else DEAD
            if not targets or targets[-1] != target:
                starts.append(cut)
                targets.append(target)
        return Moves(tuple(starts), tuple(targets))

    def takes_all(self, state: int) -> bool:
        """Tell whether every text is accepted from here."""
        return self.accepting[state] and self.moves(state).targets == (state,)
