"""Session cookie that nobody makes.

## What it finds
A `hash_policy` by cookie without `ttl`, the only policy of its route.

## Why it matters
Envoy makes the cookie only where `ttl` is set (0s makes a session cookie). Without it a request that lacks the cookie
has no hash: its host is chosen at random, again and again, and sessions are not sticky.

## Example
`hash_policy: [{cookie: {name: SESSION}}]`, and no backend sets `SESSION`.

## When it is harmless
The backend sets the cookie itself.

## Fix
Set ttl on the cookie (0s for a session cookie).

## Source
`CookieHashMethod` in `source/common/http/hash_policy.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route."""
    for route in subject.forwards:
        policies = route.msg.route.hash_policy
        if policies and all(p.HasField("cookie") and not p.cookie.HasField("ttl") for p in policies):
            yield CHECK.finding(
                route.ref.at("route", "hash_policy", 0, "cookie"),
                f"route `{route.label}` hashes by cookie `{policies[0].cookie.name}` without ttl: Envoy does not set "
                "the cookie, and requests without it go to a random host (no sticky session, no affinity)",
                origin=origin_of(route.msg),
                fold=policies[0].cookie.name,
            )


CHECK = Check(
    code="ESM335",
    name="cookie-without-ttl",
    severity="info",
    title="Session cookie that nobody makes",
    fix="set ttl on the cookie (0s for a session cookie)",
    find=find,
)
