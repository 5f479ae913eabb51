"""Token buckets: full at first, filling without steps, never over the brim."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envoysim.stages.token_bucket import TokenBucket


def test_a_bucket_starts_full_and_fills_without_steps() -> None:
    bucket = TokenBucket(2, 1.0, now_ms=0)
    assert [bucket.consume(0), bucket.consume(0), bucket.consume(0)] == [True, True, False]
    assert bucket.remaining(500) == pytest.approx(0.5)
    assert (bucket.next_token_ms(500), bucket.next_token_ms(1000)) == (500, 0)
    assert [bucket.consume(999), bucket.consume(1000), bucket.consume(1001)] == [False, True, False]
    assert bucket.remaining(60_000) == 2


def test_taking_nothing_fails_and_a_refill_stops_at_the_brim() -> None:
    bucket = TokenBucket(3, 0.001, now_ms=0)
    assert not bucket.consume(0, 0)
    assert bucket.consume(0, 3)
    bucket.refill(0, 2)
    assert bucket.remaining(0) == pytest.approx(2)
    bucket.refill(0, 9)
    assert bucket.remaining(0) == pytest.approx(3)


@given(
    st.integers(1, 50),
    st.floats(0.01, 100),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 5)), max_size=40),
)
def test_no_more_is_taken_than_there_was_and_came(maximum: int, rate: float, asked: list[tuple[int, int]]) -> None:
    bucket, now, taken = TokenBucket(maximum, rate, 0), 0, 0
    for pause, tokens in asked:
        now += pause
        if bucket.consume(now, tokens):
            taken += tokens
        assert -1e-6 <= bucket.remaining(now) <= maximum
    assert taken <= maximum + rate * now / 1000 + 1e-6
