"""Rate limit descriptor that no action makes.

## What it finds
A descriptor of a local rate limit whose entries are not what any `rate_limits` entry of its routes and virtual hosts
(of the filter's stage) can make of a request: decided exactly, key by key, value by value.

## Why it matters
A bucket counts only requests whose descriptor has the same entries in the same order. All actions of one
`rate_limits` entry make one descriptor together, not one each. A descriptor that nobody makes never limits: requests
take the default bucket.

## Example
`descriptors: [{entries: [{key: path, value: /login}]}]`, and the route's action has `descriptor_key: PATH`.

## When it is harmless
The bucket is for routes that are to come.

## Fix
Use the same keys and values in the actions and the descriptor; one rate_limits entry per descriptor.

## Source
`LocalRateLimiterImpl::requestAllowed` in `source/extensions/filters/common/local_ratelimit/local_ratelimit_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..model.finding import Finding
from ..schema import Msg
from .base import Check
from .local_limits import Entry, descriptors, local_limits, policies
from .subject import Subject

MOST_SHOWN = 3


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per descriptor."""
    for limit in local_limits(subject):
        if not limit.config.descriptors or not limit.tables:
            continue
        told = [descriptors(policy) for policy in policies(subject, limit)]
        if any(one is None for one in told):
            continue
        made = list(dict.fromkeys(entries for one in told for entries in one or ()))
        for i, descriptor in enumerate(limit.config.descriptors):
            if not any(_fits(descriptor.entries, entries) for entries in made):
                wanted = ", ".join(f"{e.key}={e.value}" if e.value else e.key for e in descriptor.entries)
                yield CHECK.finding(
                    limit.ref.at("descriptors", i, "entries"),
                    f"descriptor `{wanted}` of the local rate limit (local_ratelimit) of {limit.where} never matches: "
                    f"{_makers(made)}; its token bucket never limits, requests take the default bucket",
                )


def _fits(wanted: Sequence[Msg], made: tuple[Entry, ...]) -> bool:
    """Say whether a bucket may count a descriptor; a wanted entry without value takes any."""
    return len(wanted) == len(made) and all(
        entry.key == key and (not entry.value or value is None or entry.value == value)
        for entry, (key, value) in zip(wanted, made, strict=True)
    )


def _makers(made: Sequence[tuple[Entry, ...]]) -> str:
    if not made:
        return "no rate_limits action makes it (routes and virtual hosts have none of its stage)"
    texts = [", ".join(key if value is None else f"{key}={value}" for key, value in entries) for entries in made]
    more = f" and {len(texts) - MOST_SHOWN} more" if len(texts) > MOST_SHOWN else ""
    return "the rate_limits actions make only " + ", ".join(f"`{t}`" for t in texts[:MOST_SHOWN]) + more


CHECK = Check(
    code="ESM526",
    name="descriptor-of-nobody",
    severity="warning",
    title="Rate limit descriptor that no action makes",
    fix="use the same keys and values in the actions and the descriptor; one rate_limits entry per descriptor",
    find=find,
)
