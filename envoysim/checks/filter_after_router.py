"""Filter behind the last one.

## What it finds
An HTTP filter after the router, or a filter list that does not end with a filter that ends requests.

## Why it matters
Nothing behind the router runs. Envoy refuses such a listener; the one before it stays.

## Example
An EnvoyFilter with INSERT_LAST or ADD instead of INSERT_BEFORE.

## When it is harmless
Never.

## Fix
Move the filter before the router.

## Source
`source/common/http/filter_chain_helper.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import any_type
from .base import Check
from .subject import Subject

ROUTER = "envoy.extensions.filters.http.router.v3.Router"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per connection manager."""
    for manager in subject.managers:
        kinds = [any_type(f.typed_config) if f.HasField("typed_config") else "" for f in manager.msg.http_filters]
        if ROUTER in kinds[:-1]:
            position = kinds.index(ROUTER) + 1
            name = manager.msg.http_filters[position].name
            yield CHECK.finding(
                manager.ref.at("http_filters", position),
                f"filter `{name}` of listener `{manager.listener.name}` stands behind the router: it never runs",
            )


CHECK = Check(
    code="ESM507",
    name="filter-after-router",
    severity="error",
    title="Filter behind the last one",
    fix="move the filter before the router",
    find=find,
)
