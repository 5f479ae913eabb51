"""The per-try timeout is not shorter than the route's timeout, so no retry after it can start.

## What it finds
A retry policy whose `per_try_timeout` is equal to or above the route timeout (15 s where it is not set).

## Why it matters
The route timeout covers the whole request, all attempts and back-offs together. When one attempt may take as long
as all of them, the route timeout ends the request first: 504 `UT response_timeout`, and no retry is made for slow
answers.

## Example
`timeout: 2s` with `retry_policy: {num_retries: 3, per_try_timeout: 2s}`.

## When it is harmless
Retries are only wanted for fast failures.

## Fix
Make the route timeout at least attempts x per-try timeout plus back-off, or shorten the per-try timeout.

## Source
`FilterUtility::finalTimeout` in `source/common/router/router.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..model.ref import Ref
from ..schema import Msg, duration_ms
from .base import Check
from .subject import RouteItem, Subject, origin_of
from .witness import route_request

DEFAULT_MS = 15_000.0


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route whose attempts may last as long as the request."""
    for route in subject.routes:
        if route.msg.WhichOneof("action") != "route":
            continue
        policy, ref = _policy(route)
        if policy is None or not policy.HasField("per_try_timeout"):
            continue
        action = route.msg.route
        total = duration_ms(action.timeout) if action.HasField("timeout") else DEFAULT_MS
        each = duration_ms(policy.per_try_timeout)
        if not total or not each or each < total:
            continue
        same = "equal to" if each == total else "not shorter than"
        default = "" if action.HasField("timeout") else " (the default)"
        yield CHECK.finding(
            ref.at("per_try_timeout"),
            f"route `{route.label}`: per_try_timeout {each / 1000:g} s is {same} the overall route timeout "
            f"{total / 1000:g} s{default}: a slow attempt uses up the whole request and no retry starts",
            related=(Related(route.ref.at("route", "timeout"), "the timeout of the whole request"),),
            witness=route_request(route),
            origin=origin_of(route.msg),
        )


def _policy(route: RouteItem) -> tuple[Msg | None, Ref]:
    """The route's retry policy, else its virtual host's."""
    if route.msg.route.HasField("retry_policy"):
        return route.msg.route.retry_policy, route.ref.at("route", "retry_policy")
    if route.host.msg.HasField("retry_policy"):
        return route.host.msg.retry_policy, route.host.ref.at("retry_policy")
    return None, route.ref


CHECK = Check(
    code="ESM602",
    name="per-try-timeout-not-shorter",
    severity="warning",
    title="Per-try timeout that leaves no time for a retry",
    fix="raise the route timeout above attempts times per_try_timeout, or shorten per_try_timeout",
    find=find,
)
