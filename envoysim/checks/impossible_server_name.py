"""Server name that cannot match.

## What it finds
A `server_names` entry with a wildcard that is not the whole first label, or with a port.

## Why it matters
Envoy knows exact names and `*.suffix` only. It refuses the listener (the update is rejected), or the name never
matches.

## Example
`server_names: ["shop*.example.com"]`.

## When it is harmless
Never.

## Fix
Write the whole name, or a wildcard for whole labels: `*.example.com`.

## Source
`source/common/listener_manager/filter_chain_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per name."""
    for chain in subject.chains:
        for i, name in enumerate(chain.msg.filter_chain_match.server_names):
            rest = name.removeprefix("*.") if name != "*" else ""
            if "*" in rest or ":" in rest:
                yield CHECK.finding(
                    chain.ref.at("filter_chain_match", "server_names", i),
                    f"server name `{name}` of listener `{chain.listener.name}` is neither a name nor "
                    "`*.suffix`: no TLS "
                    "hello carries it",
                )


CHECK = Check(
    code="ESM206",
    name="impossible-server-name",
    severity="error",
    title="Server name that cannot match",
    fix="write the whole name, or a wildcard for whole labels: `*.example.com`",
    find=find,
)
