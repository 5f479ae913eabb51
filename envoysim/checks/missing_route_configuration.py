"""Listener that names route configurations nobody delivered.

## What it finds
A connection manager whose `rds.route_config_name` is not in the dump.

## Why it matters
Until the routes come, every request is answered 404 `NR route_not_found`.

## Example
`rds: {route_config_name: http.8080}` and no route configuration of that name.

## When it is harmless
The dump was cut down to some sections.

## Fix
Deliver the route configuration over RDS, or correct rds.route_config_name.

## Source
`source/common/router/rds_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject
from .witness import witness


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per connection manager without its routes."""
    if not subject.dump.route_configurations:
        return  # listeners alone: routes are not in this source
    for manager in subject.managers:
        if manager.msg.WhichOneof("route_specifier") != "rds":
            continue
        name = manager.msg.rds.route_config_name
        if name not in subject.dump.route_configurations:
            yield CHECK.finding(
                manager.ref.at("rds", "route_config_name"),
                f"listener `{manager.listener.name}` asks for route configuration `{name}`, which is not there: every "
                "request is answered 404 NR route_not_found",
                witness=witness(manager, "example.com"),
            )


CHECK = Check(
    code="ESM104",
    name="missing-route-configuration",
    severity="error",
    title="Listener that names route configurations nobody delivered",
    fix="deliver the route configuration over RDS, or correct rds.route_config_name",
    find=find,
)
