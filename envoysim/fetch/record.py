"""What a saved dump says of itself: where it came from, what never came, what was refused."""

from __future__ import annotations

import datetime


def now() -> str:
    """Return the time of day, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
