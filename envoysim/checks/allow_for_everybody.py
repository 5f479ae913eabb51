"""ALLOW policy that makes the others pointless.

## What it finds
An RBAC filter with action ALLOW, one of whose policies allows anybody anything beside others that are narrower.

## Why it matters
One policy that matches is enough: the narrower ones restrict nothing.

## Example
Istio: an AuthorizationPolicy with an empty rule (`rules: [{}]`) next to others.

## When it is harmless
The broad policy is wanted; the others are left over.

## Fix
Narrow the policy, or delete it.

## Source
`source/extensions/filters/common/rbac/matchers.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .rbac_walk import policies_of, rbac_filters
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per broad policy."""
    for item, rules in rbac_filters(subject):
        if enum_name(rules, "action") != "ALLOW" or len(rules.policies) < 2:
            continue
        for name, policy, ref in policies_of(item, rules):
            everything = any(p.any for p in policy.permissions) and any(p.any for p in policy.principals)
            if everything and not policy.HasField("condition") and not policy.HasField("checked_condition"):
                yield CHECK.finding(
                    ref,
                    f"ALLOW policy `{name}` of listener `{item.manager.listener.name}` allows "
                    "everybody everything: the "
                    f"other {len(rules.policies) - 1} policies restrict nothing",
                )


CHECK = Check(
    code="ESM515",
    name="allow-for-everybody",
    severity="warning",
    title="ALLOW policy that makes the others pointless",
    fix="narrow the policy, or delete it",
    find=find,
)
