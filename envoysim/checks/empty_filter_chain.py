"""Filter chain without filters.

## What it finds
A filter chain with an empty `filters` list.

## Why it matters
Connections that choose it are closed at once.

## Example
A chain left over by a patch that removed its filters.

## When it is harmless
The chain is meant to refuse connections.

## Fix
Give the chain its filters, or delete it.

## Source
`source/common/listener_manager/active_stream_listener_base.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per chain."""
    for chain in subject.chains:
        if not chain.msg.filters and not chain.listener.msg.HasField("udp_listener_config"):
            yield CHECK.finding(
                chain.ref.at("filters"),
                f"a filter chain of listener `{chain.listener.name}` has no filters: its connections "
                "are closed at once",
            )


CHECK = Check(
    code="ESM209",
    name="empty-filter-chain",
    severity="warning",
    title="Filter chain without filters",
    fix="give the chain its filters, or delete it",
    find=find,
)
