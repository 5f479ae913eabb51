"""Local rate limit that a few requests exhaust.

## What it finds
An enforced local rate limit whose default bucket holds one token, or gets less than one token per second; a bucket
for many requests that gets one token at a time because `tokens_per_fill` is not set.

## Why it matters
All clients share the bucket. Once it is empty, requests end as 429 `RL`, details `local_rate_limited`, until
`fill_interval` has passed. `tokens_per_fill` is 1 where it is not set, however many tokens the bucket holds.

## Example
`token_bucket: {max_tokens: 100, fill_interval: 60s}`: 100 requests once, then one per minute.

## When it is harmless
So few requests are meant to pass.

## Fix
Set max_tokens to the burst and tokens_per_fill / fill_interval to the rate that is meant.

## Source
`source/extensions/filters/common/local_ratelimit/local_ratelimit_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..model.ref import Ref
from ..schema import Msg, duration_ms
from .base import Check
from .local_limits import local_limits
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per bucket."""
    for limit in local_limits(subject):
        config = limit.config
        if not all(_on(getattr(config, field)) for field in ("filter_enabled", "filter_enforced")):
            continue
        if config.HasField("token_bucket"):
            yield from _bucket(config.token_bucket, limit.ref.at("token_bucket"), limit.where, default=True)
        for i, descriptor in enumerate(config.descriptors):
            place = limit.ref.at("descriptors", i, "token_bucket")
            if not descriptor.shadow_mode:
                yield from _bucket(descriptor.token_bucket, place, limit.where, default=False)


def _on(share: Msg) -> bool:
    return bool(share.default_value.numerator or share.runtime_key)


def _bucket(bucket: Msg, ref: Ref, where: str, *, default: bool) -> Iterator[Finding]:
    most, seconds = bucket.max_tokens, duration_ms(bucket.fill_interval) / 1000
    told = bucket.HasField("tokens_per_fill")
    fill = bucket.tokens_per_fill.value if told else 1
    few = default and (most <= 1 or fill < seconds)
    if not seconds or not (few or (not told and most > 1)):
        return
    refill = f"{fill} every {seconds:g} s" + ("" if told else " (tokens_per_fill is not set, which means 1)")
    yield CHECK.finding(
        ref,
        f"local rate limit (local_ratelimit) of {where} is tight: its token bucket holds {most} "
        f"token{'s' if most != 1 else ''} (max_tokens) and gets {refill}; requests without a token end as "
        "429 RL local_rate_limited",
        severity="warning" if most <= 1 or not told else None,
    )


CHECK = Check(
    code="ESM525",
    name="tight-rate-limit",
    severity="info",
    title="Local rate limit that a few requests exhaust",
    fix="set max_tokens to the burst and tokens_per_fill / fill_interval to the rate that is meant",
    find=find,
)
