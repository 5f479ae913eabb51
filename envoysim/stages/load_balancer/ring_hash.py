"""Ring hash: points on a ring, a request goes to the next one (``ring_hash_lb.cc``)."""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache
from operator import itemgetter
from typing import Final

from ..host import Host
from ..xx_hash import xx_hash64
from .hashing import HashBalancer, WeightedHosts, hash_key
from .murmur import murmur_hash2
from .policy import RingHash

SPACE: Final = 2**64


class Ring:
    """The sorted ring."""

    __slots__ = ("_hashes", "_hosts")

    def __init__(self, hashes: list[int], hosts: list[Host]) -> None:
        self._hashes = hashes
        self._hosts = hosts

    def __len__(self) -> int:
        return len(self._hashes)

    def at(self, number: int, attempt: int) -> Host:
        """Return the host of the first point at or after ``number``; each attempt goes one point on."""
        place = bisect_left(self._hashes, number)
        if place == len(self._hashes):
            place = 0
        return self._hosts[(place + attempt) % len(self._hosts)]

    def shares(self) -> list[tuple[Host, float]]:
        """Return the part of the ring that leads to each host."""
        found: dict[Host, int] = {}
        previous = self._hashes[-1] - SPACE
        for point, host in zip(self._hashes, self._hosts, strict=True):
            found[host] = found.get(host, 0) + point - previous
            previous = point
        return [(host, length / SPACE) for host, length in found.items()]


@lru_cache(maxsize=2048)
def _points(key: str, count: int, murmur: bool) -> tuple[int, ...]:
    if murmur:
        return tuple(murmur_hash2(f"{key}_{index}".encode()) for index in range(count))
    return tuple(xx_hash64(f"{key}_{index}") for index in range(count))


def build_ring(weighted: WeightedHosts, policy: RingHash) -> Ring:
    """Give each host points by weight, so that the lightest gets a whole number of them (``Ring::Ring``)."""
    scale = min(math.ceil(weighted.minimum * policy.minimum_size) / weighted.minimum, float(policy.maximum_size))
    points: list[tuple[int, Host]] = []
    current = target = 0.0
    for host, weight in weighted.entries:
        target += scale * weight
        count = 0
        while current < target:
            count += 1
            current += 1.0
        key = hash_key(host, policy.hashing.use_hostname)
        points.extend((point, host) for point in _points(key, count, policy.murmur))
    points.sort(key=itemgetter(0))
    return Ring([point for point, _ in points], [host for _, host in points])


def make_ring_hash(policy: RingHash, panic_threshold: int) -> HashBalancer:
    """Make the load balancer."""
    return HashBalancer(policy.hashing, panic_threshold, "ring hash", lambda weighted: build_ring(weighted, policy))
