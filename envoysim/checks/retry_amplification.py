"""Retries that multiply the load of a failing backend.

## What it finds
A retry policy that makes more than 3 attempts of one request.

## Why it matters
When the backend fails, it gets that many times the load, at every hop that retries: three hops of 4 attempts make
64.

## Example
`num_retries: 10`.

## When it is harmless
The breaker's `max_retries` or a budget keeps them few.

## Fix
Lower num_retries to 2, and limit retries by a retry_budget.

## Source
`source/common/router/retry_state_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .retry_walk import retry_policies
from .subject import Subject, origin_of

BOUND = 3


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per policy; a warning from three times the bound."""
    for item in retry_policies(subject):
        attempts = item.retries + 1
        if item.tokens and attempts > BOUND:
            yield CHECK.finding(
                item.ref.at("num_retries"),
                f"route `{item.route.label}` makes up to {attempts} attempts: a failing backend gets "
                f"{attempts} times the "
                "load",
                severity="warning" if attempts >= 3 * BOUND else None,
                origin=origin_of(item.route.msg),
            )


CHECK = Check(
    code="ESM606",
    name="retry-amplification",
    severity="info",
    title="Retries that multiply the load of a failing backend",
    fix="lower num_retries to 2, and limit retries by a retry_budget",
    find=find,
)
