"""Who plays the requests of a stream: in full, from the choice of a host on, or from a question to chance on.

A stream starts with a ``Scout``. Where the way to the router asks chance (a weighted cluster, a fraction), a ``Fork``
asks the same question of every request and hands it to the player of that answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ..model.chance import Chance
from ..stages.stream import Telling
from .course import Answer, Conclusion, Course, Question, find_course
from .fast import Fast
from .histogram import bucket
from .tally import Cell, Key

if TYPE_CHECKING:
    from .play import Play

Put = Callable[["Player"], None]
"""Takes the player that shall play from now on."""


class Player(Protocol):
    """Plays the requests of one stream, or of one branch of it."""

    def arrive(self) -> None:
        """Play a request that arrives now; chance has begun."""


class Replay:
    """A Chance that gives the answers that are known already, and then asks on."""

    def __init__(self, chance: Chance, answers: Sequence[Answer]) -> None:
        self._chance = chance
        self._answers = list(reversed(answers))

    def begin(self) -> None:
        """Nothing: the request has begun."""

    def fraction(self, numerator: int, denominator: int, label: str, variable: str = "") -> bool:
        """Give the next answer; what is certain is no question."""
        if self._answers and 0 < numerator < denominator:
            return bool(self._answers.pop())
        return self._chance.fraction(numerator, denominator, label, variable)

    def pick(self, weights: Sequence[float], label: str, variable: str = "") -> int:
        """Give the next answer; one option is no question."""
        if self._answers and len(weights) != 1:
            return int(self._answers.pop())
        return self._chance.pick(weights, label, variable)

    def uniform(self, low: float, high: float, label: str) -> float:
        """Ask on: nobody asks this on the way to the router."""
        return self._chance.uniform(low, high, label)


class InFull:
    """Plays requests through every stage."""

    __slots__ = ("_answers", "_index", "_play", "_world")

    def __init__(self, play: Play, index: int, answers: tuple[Answer, ...] = ()) -> None:
        self._play, self._index, self._answers, self._world = play, index, answers, play.world

    def arrive(self) -> None:
        """Play a request."""
        play, world = self._play, self._world
        if self._answers:
            world = replace(world, chance=Replay(world.chance, self._answers))
        play.go_on(play.story(self._index, world))


class Scout:
    """Plays the first request of a way in full, which tells of its clusters; with the second it looks for a course."""

    __slots__ = ("_answers", "_first", "_index", "_play", "_put")

    def __init__(self, play: Play, index: int, answers: tuple[Answer, ...], put: Put) -> None:
        self._play, self._index, self._answers, self._put = play, index, answers, put
        self._first = True

    def arrive(self) -> None:
        """Play a request."""
        if self._first:
            self._first = False
            InFull(self._play, self._index, self._answers).arrive()
            return
        player = self._find()
        self._put(player)
        player.arrive()

    def _find(self) -> Player:
        play, index, answers = self._play, self._index, self._answers
        request = play.scenario.traffic[index].request
        found = find_course(play.proxy, request, answers, play.world, play.state, Telling(False))
        if isinstance(found, Question):
            return Fork(play, index, answers, found)
        if isinstance(found, Conclusion):
            return Ended(play, index, found)
        return Fast(play, index, found) if isinstance(found, Course) else InFull(play, index, answers)


class Fork:
    """Asks chance for every request what the stages would ask, and goes on as they would."""

    __slots__ = ("_answers", "_index", "_next", "_play", "_question")

    def __init__(self, play: Play, index: int, answers: tuple[Answer, ...], question: Question) -> None:
        self._play, self._index, self._answers, self._question = play, index, answers, question
        self._next: dict[Answer, Player] = {}

    def arrive(self) -> None:
        """Play a request."""
        answer = self._question.put_to(self._play.world.chance)
        player = self._next.get(answer)
        if player is None:
            player = self._next[answer] = Scout(self._play, self._index, (*self._answers, answer), self._putter(answer))
        player.arrive()

    def _putter(self, answer: Answer) -> Put:
        def put(player: Player) -> None:
            self._next[answer] = player

        return put


class Ended:
    """Plays requests that Envoy answers at once, and always in the same way."""

    __slots__ = ("_cell", "_conclusion", "_index", "_play")

    def __init__(self, play: Play, index: int, conclusion: Conclusion) -> None:
        self._play, self._index, self._conclusion = play, index, conclusion
        outcome = conclusion.outcome
        name = play.scenario.traffic[index].name
        self._cell: Cell = play.tally.cell(Key(name, play.route_name(outcome), outcome.cluster or ""))

    def arrive(self) -> None:
        """Count a request."""
        cell, conclusion = self._cell, self._conclusion
        cell.requests += 1
        cell.ok += conclusion.ok
        at_once = bucket(0.0)
        cell.histogram[at_once] = cell.histogram.get(at_once, 0) + 1
        cell.statuses[conclusion.word] = cell.statuses.get(conclusion.word, 0) + 1
        for flag in conclusion.outcome.response_flags:
            cell.flags[flag] = cell.flags.get(flag, 0) + 1
        play = self._play
        if play.on_outcome is not None:
            play.on_outcome(self._index, conclusion.outcome, play.state.now_ms)
