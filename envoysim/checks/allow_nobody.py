"""ALLOW filter without policies.

## What it finds
An RBAC filter with action ALLOW and no policy.

## Why it matters
What no policy allows is denied: every request is answered 403, details `rbac_access_denied_matched_policy[none]`.

## Example
Istio: an AuthorizationPolicy with `spec: {}` (allow-nothing).

## When it is harmless
The default-deny is meant, and other filters do not come before it.

## Fix
Add the policies, or take the filter off.

## Source
`source/extensions/filters/common/rbac/engine_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .rbac_walk import rbac_filters
from .subject import Subject
from .witness import witness


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per filter."""
    for item, rules in rbac_filters(subject):
        if enum_name(rules, "action") == "ALLOW" and not rules.policies:
            yield CHECK.finding(
                item.ref.at("rules"),
                f"RBAC filter `{item.name}` of listener `{item.manager.listener.name}` allows nobody: 403 "
                "rbac_access_denied_matched_policy[none]",
                witness=witness(item.manager, "example.com"),
            )


CHECK = Check(
    code="ESM517",
    name="allow-nobody",
    severity="warning",
    title="ALLOW filter without policies",
    fix="add the policies, or take the filter off",
    find=find,
)
