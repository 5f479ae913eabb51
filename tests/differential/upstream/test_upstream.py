"""What happens upstream, beside the real Envoy: a quick extract of each part, and all of each where time allows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from . import chi_square, ejection, hosts, retries, timeouts
from .findings import Findings

SEED = 20261125
EXTRACTS: dict[str, Callable[[Path], Findings]] = {
    "retries": lambda binary: retries.play(binary, SEED, share=0.01),
    "hosts": lambda binary: hosts.play(binary, SEED, share=0.08),
    "timeouts": lambda binary: timeouts.play(binary, SEED, share=0.015),
    "chi_square": lambda binary: chi_square.play(binary, SEED, draws=150),
}
WHOLE: dict[str, Callable[[Path, int], Findings]] = {
    "retries": retries.play,
    "hosts": hosts.play,
    "ejection": ejection.play,
    "timeouts": timeouts.play,
    "chi_square": chi_square.play,
}


@pytest.mark.envoy
@pytest.mark.parametrize("part", EXTRACTS)
def test_an_extract_agrees(envoy: Path, part: str) -> None:
    findings = EXTRACTS[part](envoy)

    assert findings.cases > 0
    assert not findings.differences


@pytest.mark.envoy
@pytest.mark.slow
@pytest.mark.parametrize("part", WHOLE)
def test_all_of_it_agrees(envoy: Path, part: str) -> None:
    assert not WHOLE[part](envoy, SEED).differences


@pytest.mark.parametrize(
    ("statistic", "degrees", "beyond"),
    [(3.841, 1, 0.05), (18.467, 4, 0.001), (23.513, 4, 1e-4), (0.0, 3, 1.0), (5.0, 0, 1.0)],
)
def test_chi_square_beyond_a_value(statistic: float, degrees: int, beyond: float) -> None:
    assert chi_square.survival(statistic, degrees) == pytest.approx(beyond, rel=2e-3)


def test_counts_far_from_the_shares_are_disbelieved() -> None:
    assert chi_square.p_value({"a": 1000, "b": 1000}, {"a": 0.5, "b": 0.5}) == 1.0
    assert chi_square.p_value({"a": 900, "b": 1100}, {"a": 0.5, "b": 0.5}) < chi_square.SIGNIFICANCE
    assert chi_square.p_value({"a": 1999, "c": 1}, {"a": 1.0}) == 0.0
