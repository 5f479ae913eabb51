"""Protocol upgrade that a route switches off.

## What it finds
A route with `upgrade_configs: [{upgrade_type: …, enabled: false}]`.

## Why it matters
The route's entry decides, whatever the connection manager allows: the upgrade (WebSocket, CONNECT) ends as 403,
details `upgrade_failed`.

## Example
`upgrade_configs: [{upgrade_type: websocket, enabled: false}]` on the route of a chat service.

## When it is harmless
The backend of this route must not get upgrades.

## Fix
Remove the entry, or set enabled to true.

## Source
`ConnectionManagerImpl::ActiveStream::createFilterChain` in `source/common/http/conn_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of
from .witness import path_of, request_for


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per entry."""
    for route in subject.forwards:
        for i, entry in enumerate(route.msg.route.upgrade_configs):
            if not entry.HasField("enabled") or entry.enabled.value:
                continue
            kind = entry.upgrade_type
            headers = (("connection", "Upgrade"), ("upgrade", kind))
            connect = kind.lower() == "connect"
            yield CHECK.finding(
                route.ref.at("route", "upgrade_configs", i, "enabled"),
                f"route `{route.label}` does not allow upgrade `{kind}` (upgrade_configs, enabled: false), whatever "
                "the connection manager allows: 403 upgrade_failed",
                witness=None if connect else request_for(route.host, path=path_of(route.msg.match), headers=headers),
                origin=origin_of(route.msg),
            )


CHECK = Check(
    code="ESM334",
    name="upgrade-switched-off",
    severity="warning",
    title="Protocol upgrade that a route switches off",
    fix="remove the entry, or set enabled to true",
    find=find,
)
