"""Route configuration that no listener uses.

## What it finds
A dynamic route configuration that no connection manager names.

## Why it matters
Its routes never act.

## Example
A listener was renamed and asks for other routes now.

## When it is harmless
A warming or draining listener still uses it.

## Fix
Delete it, or name it in a connection manager's rds.route_config_name.

## Source
`source/common/router/rds_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route configuration, where listeners are known."""
    if not subject.managers or subject.dump.scoped_routes:
        return
    others = {r.name for r in subject.dump.all_resources if r.kind == "listener" and r.state in ("warming", "draining")}
    for table in subject.tables:
        resource = subject.dump.route_configurations.get(table.name)
        if not table.managers and not others and resource is not None and resource.state == "active":
            yield CHECK.finding(table.ref, f"route configuration `{table.name}` is used by no listener")


CHECK = Check(
    code="ESM321",
    name="unreferenced-route-configuration",
    severity="info",
    title="Route configuration that no listener uses",
    fix="delete it, or name it in a connection manager's rds.route_config_name",
    find=find,
)
