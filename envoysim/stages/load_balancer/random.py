"""Random: any host, weights do not count (``random_lb.cc``).

One random number chooses both the priority and the host, so that the two are not quite independent.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ..host import Host
from .context import Ask
from .host_set import HostSet
from .policy import Random
from .zone_aware import DEGRADED, HEALTHY, Source, ZoneAware

if TYPE_CHECKING:
    from collections.abc import Callable

LABEL: Final = "random"


class RandomBalancer(ZoneAware):
    """One worker's random choice."""

    __slots__ = ("_range",)

    def __init__(
        self, policy: Random, panic_threshold: int, local_view: Callable[[Ask], HostSet | None] | None
    ) -> None:
        super().__init__(policy.locality, panic_threshold, local_view)
        self._range = (0, 100)
        """Where the number's last two digits lie, from the choice of the priority."""

    def choose_priority(self, ask: Ask) -> tuple[int, str]:
        """Draw a priority and remember what that says of the number."""
        loads = ask.retry_loads(self.loads, self.host_sets)
        if loads.healthy[0] == 100:
            self._range = (0, 100)
            return 0, HEALTHY
        both = (*loads.healthy, *loads.degraded)
        index = ask.world.chance.pick(both, "priority")
        start = sum(both[:index])
        self._range = (start, start + both[index])
        count = len(loads.healthy)
        return (index, HEALTHY) if index < count else (index - count, DEGRADED)

    def pick(self, hosts: tuple[Host, ...], source: Source, ask: Ask) -> Host:
        """Take the number modulo the number of hosts."""
        if len(hosts) == 1:
            return hosts[0]
        low, high = (0, 100) if self.plain else self._range
        return hosts[ask.world.chance.pick(remainders(low, high, len(hosts)), LABEL)]


@lru_cache(maxsize=256)
def remainders(low: int, high: int, count: int) -> tuple[int, ...]:
    """Return how often ``number % count`` takes each value where ``low <= number % 100 < high``."""
    if high - low >= 100:
        return (1,) * count
    found = [0] * count
    for block in range(0, math.lcm(100, count), 100):
        for number in range(block + low, block + high):
            found[number % count] += 1
    return tuple(found)
