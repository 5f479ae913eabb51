"""Hedging that never starts.

## What it finds
A `hedge_policy` with `hedge_on_per_try_timeout` where no retry policy has a `per_try_timeout`.

## Why it matters
A second request is sent when the first try's timeout passes. Without such a timeout it never is.

## Example
`hedge_policy: {hedge_on_per_try_timeout: true}` alone.

## When it is harmless
Requests bring `x-envoy-upstream-rq-per-try-timeout-ms`.

## Fix
Set per_try_timeout and num_retries in the retry policy.

## Source
`Filter::onPerTryTimeout` in `source/common/router/router.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .retry_walk import retry_policies
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route."""
    timed = {id(i.route) for i in retry_policies(subject) if i.policy.HasField("per_try_timeout")}
    for route in subject.forwards:
        policy, ref = route.msg.route.hedge_policy, route.ref.at("route", "hedge_policy")
        if not route.msg.route.HasField("hedge_policy"):
            policy, ref = route.host.msg.hedge_policy, route.host.ref.at("hedge_policy")
        if policy.hedge_on_per_try_timeout and id(route) not in timed:
            yield CHECK.finding(
                ref,
                f"route `{route.label}` hedges on per-try timeouts, but has no per_try_timeout: no "
                "second request is sent",
                origin=origin_of(route.msg),
            )


CHECK = Check(
    code="ESM607",
    name="hedge-without-per-try-timeout",
    severity="warning",
    title="Hedging that never starts",
    fix="set per_try_timeout and num_retries in the retry policy",
    find=find,
)
