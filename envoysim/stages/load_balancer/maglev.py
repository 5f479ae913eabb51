"""Maglev: a table that every host fills by a permutation of its own (``maglev_lb.cc``)."""

from __future__ import annotations

from array import array
from functools import lru_cache
from typing import Final

from ..host import Host
from ..xx_hash import xx_hash64
from .hashing import HashBalancer, WeightedHosts, hash_key
from .policy import Maglev

ALL_ONES: Final = 2**64 - 1


class MaglevTable:
    """The filled table: indices into ``hosts``."""

    __slots__ = ("_hosts", "_places")

    def __init__(self, hosts: tuple[Host, ...], places: array[int]) -> None:
        self._hosts = hosts
        self._places = places

    def at(self, number: int, attempt: int) -> Host:
        """Return the host of ``number``; each attempt changes the number."""
        if len(self._hosts) == 1:
            return self._hosts[0]
        if attempt:
            number ^= (ALL_ONES - attempt + 1) & ALL_ONES
        return self._hosts[self._places[number % len(self._places)]]

    def shares(self) -> list[tuple[Host, float]]:
        """Return the part of the table each host fills."""
        if len(self._hosts) == 1:
            return [(self._hosts[0], 1.0)]
        counts = [0] * len(self._hosts)
        for place in self._places:
            counts[place] += 1
        return [(host, count / len(self._places)) for host, count in zip(self._hosts, counts, strict=True)]


@lru_cache(maxsize=128)
def fill(keys: tuple[str, ...], weights: tuple[float, ...], maximum: float, size: int) -> array[int]:
    """Let the hosts take places in turn, lighter ones less often (``constructImplementationInternals``)."""
    count = len(keys)
    position = [xx_hash64(key) % size for key in keys]
    skip = [xx_hash64(key, 1) % (size - 1) + 1 for key in keys]
    targets = [0.0] * count
    places = array("i", [-1]) * size
    equal = all(weight == maximum for weight in weights)
    filled, iteration = 0, 0
    while True:
        iteration += 1
        for index in range(count):
            if not equal:
                if iteration * weights[index] < targets[index]:
                    continue
                targets[index] += maximum
            place, step = position[index], skip[index]
            while places[place] >= 0:
                place += step
                if place >= size:
                    place -= size
            places[place] = index
            place += step
            position[index] = place - size if place >= size else place
            filled += 1
            if filled == size:
                return places


def build_table(weighted: WeightedHosts, policy: Maglev) -> MaglevTable:
    """Fill the table, hosts in the order of their keys."""
    entries = sorted(
        ((hash_key(host, policy.hashing.use_hostname), index) for index, (host, _) in enumerate(weighted.entries))
    )
    hosts = tuple(weighted.entries[index][0] for _, index in entries)
    if len(hosts) == 1:
        return MaglevTable(hosts, array("i", [0]))
    weights = tuple(weighted.entries[index][1] for _, index in entries)
    keys = tuple(key for key, _ in entries)
    return MaglevTable(hosts, fill(keys, weights, weighted.maximum, policy.table_size))


def make_maglev(policy: Maglev, panic_threshold: int) -> HashBalancer:
    """Make the load balancer."""
    return HashBalancer(policy.hashing, panic_threshold, "maglev", lambda weighted: build_table(weighted, policy))
