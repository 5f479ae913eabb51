"""A token bucket in virtual time (``AtomicTokenBucketImpl``, ``source/common/common/token_bucket_impl.cc``)."""

from __future__ import annotations

from typing import Final

MIN_FILL_RATE: Final = 1.0 / (365 * 24 * 60 * 60)
"""Tokens per second: one a year at least."""
INSTANT_FILL_RATE: Final = 1e6
"""Tokens per second at which a token is back before anybody can look: real time never stands still between two looks,
as virtual time does."""


class TokenBucket:
    """Starts full and fills without steps; it remembers the moment at which it was, or would have been, empty."""

    __slots__ = ("_empty_at", "fill_rate", "max_tokens")

    def __init__(self, max_tokens: int, fill_rate: float, now_ms: float) -> None:
        self.max_tokens = max_tokens
        self.fill_rate = max(abs(fill_rate), MIN_FILL_RATE)
        """Tokens per second."""
        self._empty_at = now_ms / 1000 - max_tokens / self.fill_rate

    def remaining(self, now_ms: float) -> float:
        """Return the tokens there are now."""
        if self.fill_rate >= INSTANT_FILL_RATE:
            return float(self.max_tokens)
        return min(float(self.max_tokens), (now_ms / 1000 - self._empty_at) * self.fill_rate)

    def consume(self, now_ms: float, tokens: float = 1.0) -> bool:
        """Take ``tokens`` if there are as many; taking none always fails, as in Envoy."""
        remaining = self.remaining(now_ms)
        # A tolerance far below any token: times are binary fractions of seconds.
        if tokens == 0 or remaining + 1e-9 < tokens:
            return False
        self._empty_at = now_ms / 1000 - (remaining - tokens) / self.fill_rate
        return True

    def refill(self, now_ms: float, tokens: float) -> None:
        """Put tokens back, up to the maximum."""
        remaining = self.remaining(now_ms)
        added = min(tokens, self.max_tokens - remaining)
        if added > 0:
            self._empty_at = now_ms / 1000 - (remaining + added) / self.fill_rate

    def next_token_ms(self, now_ms: float) -> int:
        """Return the whole milliseconds until there is a token."""
        remaining = self.remaining(now_ms)
        return 0 if remaining >= 1 else int((1 - remaining) / self.fill_rate * 1000)
