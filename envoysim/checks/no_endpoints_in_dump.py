"""Dump without endpoints.

## What it finds
EDS clusters in a dump that has no endpoints section.

## Why it matters
Which hosts exist and whether they are healthy is not known; every rule about endpoints is silent for these
clusters.

## Example
`curl localhost:15000/config_dump > dump.json`.

## When it is harmless
Only listeners and routes are of interest.

## Fix
Take the dump with /config_dump?include_eds, or add /clusters?format=json.

## Source
`source/server/admin/config_dump_handler.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield one finding for the dump."""
    if subject.dump.has_endpoints:
        return
    names = [c for c in subject.clusters.values() if enum_name(c.msg, "type") == "EDS" and c.assignment is None]
    if names:
        yield CHECK.finding(names[0].ref, f"the dump has no endpoints: {len(names)} EDS clusters cannot be checked")


CHECK = Check(
    code="ESM103",
    name="no-endpoints-in-dump",
    severity="info",
    title="Dump without endpoints",
    fix="take the dump with /config_dump?include_eds, or add /clusters?format=json",
    find=find,
)
