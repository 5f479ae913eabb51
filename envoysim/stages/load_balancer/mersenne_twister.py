"""``std::mt19937``: the pseudo-random order in which a bounded-load table is gone through."""

from __future__ import annotations

from random import Random
from typing import Final

SIZE: Final = 624
MASK: Final = 0xFFFFFFFF


class MersenneTwister:
    """32-bit Mersenne Twister seeded as the C++ standard says."""

    __slots__ = ("_random",)

    def __init__(self, seed: int) -> None:
        words = [seed & MASK]
        for index in range(1, SIZE):
            last = words[-1]
            words.append((1812433253 * (last ^ (last >> 30)) + index) & MASK)
        # Python's generator is the same one; only its seeding differs.
        self._random = Random()
        self._random.setstate((3, (*words, SIZE), None))

    def next(self) -> int:
        """Return the next 32-bit number."""
        return self._random.getrandbits(32)

    def below(self, limit: int) -> int:
        """Return a number below ``limit``, as Envoy maps the generator's output."""
        step = (MASK + 1) // limit
        number = limit
        while number >= limit:
            number = self.next() // step
        return number
