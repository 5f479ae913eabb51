"""When requests arrive: a stream's phases and bursts as times in ms, in order."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Iterator, Sequence

from .settings import Burst, Phase, Traffic


def arrivals(traffic: Traffic, seed: str) -> Iterator[float]:
    """Yield the times at which the stream's requests arrive."""
    steady = traffic.arrivals == "steady"
    phases = _through_phases(traffic.phases, seed, steady=steady)
    if not traffic.bursts:
        return phases
    return heapq.merge(phases, *(_burst(burst) for burst in traffic.bursts))


def merged(traffic: Sequence[Traffic], seed: int) -> Iterator[tuple[float, int]]:
    """Yield ``(time, index of the stream)`` for all streams; each has random numbers of its own."""
    numbered = [_with_index(arrivals(stream, f"{seed}/arrivals/{stream.name}"), i) for i, stream in enumerate(traffic)]
    return numbered[0] if len(numbered) == 1 else heapq.merge(*numbered)


def _with_index(times: Iterator[float], index: int) -> Iterator[tuple[float, int]]:
    return ((at_ms, index) for at_ms in times)


def _through_phases(phases: Sequence[Phase], seed: str, *, steady: bool) -> Iterator[float]:
    """Walk a process of rate 1 through the phases' rates: its gaps are 1 (steady) or exponential (Poisson)."""
    draw = random.Random(seed).random
    for phase in phases:
        span_ms = phase.end_ms - phase.start_ms
        total = (phase.rate + phase.to_rate) / 2 * span_ms / 1000.0
        when = _inverse(phase)
        passed = 0.0 if steady else -math.log(1.0 - draw())
        while passed < total - 1e-9:
            yield when(passed)
            passed += 1.0 if steady else -math.log(1.0 - draw())


def _inverse(phase: Phase) -> Callable[[float], float]:
    """Return the time by which a phase has seen a number of requests."""
    start, low = phase.start_ms, phase.rate / 1000.0
    slope = (phase.to_rate - phase.rate) / 1000.0 / (phase.end_ms - phase.start_ms)
    if slope == 0:
        return lambda count: start + count / low
    return lambda count: start + 2 * count / (low + math.sqrt(max(0.0, low * low + 2 * slope * count)) or 1.0)


def _burst(burst: Burst) -> Iterator[float]:
    for number in range(burst.requests):
        yield burst.at_ms + burst.over_ms * number / burst.requests
