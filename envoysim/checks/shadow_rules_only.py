"""Policies that only watch.

## What it finds
An RBAC filter with `shadow_rules` and no `rules`.

## Why it matters
Shadow rules count what they would have denied, and deny nothing.

## Example
Istio: `istio.io/dry-run: "true"` on an AuthorizationPolicy.

## When it is harmless
The policies are being tried out.

## Fix
Move the policies from shadow_rules to rules.

## Source
`source/extensions/filters/http/rbac/rbac_filter.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .rbac_walk import RBAC
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per filter."""
    for item in subject.http_filters:
        config = item.config if item.type_name == RBAC else None
        if config is not None and config.HasField("shadow_rules") and not config.HasField("rules"):
            if not config.shadow_rules.policies or config.HasField("matcher"):
                continue
            yield CHECK.finding(
                item.ref.at("shadow_rules"),
                f"policies {', '.join(f'`{n}`' for n in sorted(config.shadow_rules.policies)[:3])} of listener "
                f"`{item.manager.listener.name}` are only counted (shadow_rules): nobody is refused",
            )


CHECK = Check(
    code="ESM514",
    name="shadow-rules-only",
    severity="info",
    title="Policies that only watch",
    fix="move the policies from shadow_rules to rules",
    find=find,
)
