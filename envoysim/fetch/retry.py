"""Try again with growing pauses, as long as it may help."""

from __future__ import annotations

import time
from typing import Final

from .target import CallFailed

FIRST_WAIT: Final = 0.2
LONGEST_WAIT: Final = 3.0
TRIES: Final = 4


class Retry:
    """Counts the tries until ``end`` (of ``time.monotonic``)."""

    def __init__(self, end: float) -> None:
        self.end = end
        self._wait = FIRST_WAIT
        self._tries = 0

    def wait(self, error: CallFailed, *, progressed: bool = False) -> None:
        """Pause before the next try; raises ``error`` when there should be none. ``progressed`` counts anew."""
        if progressed:
            self._tries, self._wait = 0, FIRST_WAIT
        self._tries += 1
        if not error.passing or self._tries >= TRIES or self.end - time.monotonic() <= self._wait:
            raise error
        time.sleep(self._wait)
        self._wait = min(2 * self._wait, LONGEST_WAIT)
