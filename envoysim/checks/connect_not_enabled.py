"""A CONNECT route that refuses CONNECT.

## What it finds
A route with `connect_matcher`, where neither the route nor the connection manager lists `CONNECT` in
`upgrade_configs`.

## Why it matters
A CONNECT request is handled as an upgrade. Where the type is not listed, it ends as 403, details
`upgrade_failed`.

## Example
`match: {connect_matcher: {}}` and no `upgrade_configs`.

## When it is harmless
Never.

## Fix
Add {upgrade_type: CONNECT, connect_config: {}} to upgrade_configs of the route.

## Source
`ActiveStream::decodeHeaders` in `source/common/http/conn_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per CONNECT route that forwards."""
    for route in subject.forwards:
        if route.msg.match.WhichOneof("path_specifier") != "connect_matcher":
            continue
        managers = route.host.table.managers
        configs = [*route.msg.route.upgrade_configs, *(u for m in managers for u in m.msg.upgrade_configs)]
        if managers and not any(u.upgrade_type.upper() == "CONNECT" for u in configs):
            yield CHECK.finding(
                route.ref.at("route", "upgrade_configs"),
                f"route `{route.label}` matches CONNECT, which no upgrade_configs lists: it is refused, "
                "403 upgrade_failed",
            )


CHECK = Check(
    code="ESM329",
    name="connect-not-enabled",
    severity="warning",
    title="Route for CONNECT without the upgrade",
    fix="add {upgrade_type: CONNECT, connect_config: {}} to upgrade_configs of the route",
    find=find,
)
