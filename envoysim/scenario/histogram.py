"""Latencies in buckets that are 2 % wide, so that memory does not grow with the number of requests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from ..model.timeline import Latency

PER_E: Final = 50
"""Buckets per factor e; the lowest one holds what takes less than 1/50 of a microsecond."""


def bucket(ms: float) -> int:
    """Return the bucket of a latency."""
    return int(math.log1p(ms * 1000.0) * PER_E)


def bucket_ms(index: int) -> float:
    """Return the latency in the middle of a bucket."""
    return math.expm1((index + 0.5) / PER_E) / 1000.0 if index else 0.0


def quantiles(counts: Mapping[int, int], shares: Iterable[float], most_ms: float = math.inf) -> list[float]:
    """Return the latencies below which the given shares (rising) of the requests stay; 0 where there are none."""
    total = sum(counts.values())
    wanted = [max(1, math.ceil(share * total)) for share in shares]
    found: list[float] = []
    if total:
        seen = 0
        for index in sorted(counts):
            seen += counts[index]
            while len(found) < len(wanted) and seen >= wanted[len(found)]:
                found.append(min(bucket_ms(index), most_ms))
    return found + [0.0] * (len(wanted) - len(found))


def latency(counts: Mapping[int, int], sum_ms: float, max_ms: float) -> Latency:
    """Sum up a histogram."""
    total = sum(counts.values())
    p50, p90, p99 = quantiles(counts, (0.5, 0.9, 0.99), max_ms)
    return Latency(sum_ms / total if total else 0.0, p50, p90, p99, max_ms)
