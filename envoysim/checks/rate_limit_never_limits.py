"""Local rate limit that never limits.

## What it finds
A local rate limit with a token bucket whose `filter_enabled` or `filter_enforced` is absent or 0 %.

## Why it matters
Both default to 0 %: the bucket is counted (or not even that) and no request is ever refused.

## Example
`stat_prefix, token_bucket: {max_tokens: 10, ...}` and nothing else.

## When it is harmless
The limit is only observed for now (`filter_enabled` alone).

## Fix
Set filter_enabled and filter_enforced to 100 %.

## Source
`source/extensions/filters/http/local_ratelimit/local_ratelimit.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..model.ref import Ref
from ..schema import Msg
from .base import Check
from .filter_walk import per_filter_messages
from .subject import Subject

LIMIT = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per configuration with a bucket."""
    for item in subject.http_filters:
        if item.type_name == LIMIT and item.config is not None:
            yield from _limit(item.config, item.ref, f"filter `{item.name}`")
    for entry, config in per_filter_messages(subject, LIMIT):
        where = f"route `{entry.route.label}`" if entry.route is not None else f"route table `{entry.table.name}`"
        yield from _limit(config, entry.ref, where)


def _limit(config: Msg, ref: Ref, where: str) -> Iterator[Finding]:
    if not config.HasField("token_bucket") and not config.descriptors:
        return
    for field in ("filter_enabled", "filter_enforced"):
        share = getattr(config, field)
        if share.default_value.numerator or share.runtime_key:
            continue
        told = config.HasField(field)
        observed = field == "filter_enforced"
        yield CHECK.finding(
            ref.at(field),
            f"local rate limit of {where} never limits: {field} is {'0 %' if told else 'not set, which means 0 %'}",
            severity="warning" if observed and told else None,
        )
        return


CHECK = Check(
    code="ESM509",
    name="rate-limit-never-limits",
    severity="error",
    title="Local rate limit that never limits",
    fix="set filter_enabled and filter_enforced to 100 %",
    find=find,
)
