"""Many requests in order through one Envoy worker: state is kept from one to the next."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator

from .lazy_dataclass import dataclass
from .model.request import Request
from .model.trace import Trace
from .model.world import State, World
from .simulate import play
from .stages.proxy import Proxy
from .stages.stream import Story


@dataclass(slots=True)
class _Running:
    request: Request
    story: Story[Trace] | None = None
    trace: Trace | None = None


def run(proxy: Proxy, requests: Iterable[Request], world: World, *, independent: bool = False) -> Iterator[Trace]:
    """Yield one trace per request, in the order of the requests.

    A request without ``at_ms`` arrives when the one before it is done and its pause is over. Requests
    with ``at_ms`` (virtual ms) may overlap; an arrival in the past happens now. ``independent`` gives
    every request a worker of its own that remembers nothing.
    """
    if independent:
        for request in requests:
            yield from run(proxy, (request,), world)
        return
    yield from _Schedule(proxy, world).run(requests)


class _Schedule:
    """Interleaves stories on one virtual clock: a heap of (time, counter, story)."""

    def __init__(self, proxy: Proxy, world: World) -> None:
        self._proxy = proxy
        self._world = world
        self._state = State()
        self._heap: list[tuple[float, int, _Running]] = []
        self._counter = 0
        self._waiting: deque[_Running] = deque()

    def run(self, requests: Iterable[Request]) -> Iterator[Trace]:
        last: _Running | None = None
        for request in requests:
            if request.at_ms is None and last is not None:
                self._play_until(None, last)
                self._state.now_ms += last.request.pause_ms
            arrival = self._state.now_ms if request.at_ms is None else max(request.at_ms, self._state.now_ms)
            self._play_until(arrival, None)
            self._state.now_ms = arrival
            last = _Running(request)
            last.story = play(self._proxy, request, self._world, self._state)
            self._waiting.append(last)
            self._step(last)
            yield from self._finished()
        self._play_until(None, None)
        yield from self._finished()

    def _finished(self) -> Iterator[Trace]:
        while self._waiting and (trace := self._waiting[0].trace) is not None:
            self._waiting.popleft()
            yield trace

    def _play_until(self, time_ms: float | None, done: _Running | None) -> None:
        """Play events up to ``time_ms`` (all of them without), or until ``done`` has ended."""
        while self._heap and (done is None or done.trace is None):
            if time_ms is not None and self._heap[0][0] > time_ms:
                return
            at_ms, _, running = heapq.heappop(self._heap)
            self._state.now_ms = max(at_ms, self._state.now_ms)
            self._step(running)

    def _step(self, running: _Running) -> None:
        assert running.story is not None
        try:
            at_ms = next(running.story)
        except StopIteration as end:
            running.trace = end.value
            running.story = None
            return
        self._counter += 1
        heapq.heappush(self._heap, (at_ms, self._counter, running))
