"""Connections that a filter chain limits.

## What it finds
A `connection_limit` network filter.

## Why it matters
Connections over `max_connections` at the same time are closed as soon as they are made, without any answer: clients
see a reset or an empty reply. Idle keep-alive connections count too.

## Example
`max_connections: 10` in front of a web site whose browsers open six connections each.

## When it is harmless
Clients never need so many connections.

## Fix
Raise max_connections, or shorten the idle timeout of the connection manager.

## Source
`source/extensions/filters/network/connection_limit/connection_limit.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..model.finding import Finding
from ..schema import Msg, any_type, unpack
from .base import Check
from .subject import Subject

LIMIT: Final = "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per filter."""
    for chain in subject.chains:
        for i, entry in enumerate(chain.msg.filters):
            if any_type(entry.typed_config) != LIMIT:
                continue
            config: Msg = unpack(entry.typed_config)
            enabled = config.runtime_enabled
            if config.HasField("runtime_enabled") and not enabled.default_value.value and not enabled.runtime_key:
                continue
            most = config.max_connections.value
            yield CHECK.finding(
                chain.ref.at("filters", i, "typed_config", "max_connections"),
                f"listener `{chain.listener.name}` limits connections at the same time to {most} (connection_limit, "
                "max_connections): further ones are closed without an answer (reset)",
            )


CHECK = Check(
    code="ESM224",
    name="connections-limited",
    severity="info",
    title="Connections that a filter chain limits",
    fix="raise max_connections, or shorten the idle timeout of the connection manager",
    find=find,
)
