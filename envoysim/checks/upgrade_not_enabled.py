"""Protocol upgrades that are not listed are refused.

## What it finds
A connection manager that allows some upgrade types, but only those: any other `Upgrade` request is refused; or,
with `-v`-level severity, one that allows none.

## Why it matters
A request with `Connection: Upgrade` for a type that neither the route nor the connection manager lists in
`upgrade_configs` ends as 403, details `upgrade_failed`. WebSocket is one type; others
(`tailscale-control-protocol`, `spdy/3.1`, `h2c`) need entries of their own.

## Example
`upgrade_configs: [{upgrade_type: websocket}]` and a VPN control server behind the proxy.

## When it is harmless
No backend uses other upgrades.

## Fix
Add the upgrade type to `upgrade_configs` of the connection manager or of the route.

## Source
`HttpConnectionManagerConfig::createUpgradeFilterChain` in
`source/extensions/filters/network/http_connection_manager/config.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject
from .witness import served_authority, witness


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per connection manager."""
    for manager in subject.managers:
        enabled = [u.upgrade_type for u in manager.msg.upgrade_configs if not u.HasField("enabled") or u.enabled.value]
        listed = ", ".join(f"`{kind}`" for kind in enabled)
        what = (
            f"only {listed} (upgrade_configs)" if enabled else "no upgrade: websocket is not enabled (upgrade_configs)"
        )
        kind = "websocket" if not enabled else "other-protocol"
        headers = (("connection", "Upgrade"), ("upgrade", kind))
        yield CHECK.finding(
            manager.ref.at("upgrade_configs"),
            f"the connection manager allows {what}: any other protocol upgrade is not allowed, 403 upgrade_failed",
            witness=witness(manager, served_authority(subject, manager), headers=headers),
        )


CHECK = Check(
    code="ESM311",
    name="upgrade-not-listed",
    severity="info",
    title="Protocol upgrades that are refused",
    fix="add the upgrade type to upgrade_configs of the connection manager or the route",
    find=find,
)
