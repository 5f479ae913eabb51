"""TCP connections are closed after an idle hour.

## What it finds
A tcp_proxy without `idle_timeout`.

## Why it matters
A connection on which nothing moves for one hour (the default) is closed on both sides: pooled database
connections break.

## Example
MySQL or a message broker behind `tcp_proxy`.

## When it is harmless
Clients connect anew, or send keep-alives of their own protocol.

## Fix
Set idle_timeout of the tcp_proxy (0s switches it off).

## Source
`source/common/tcp_proxy/tcp_proxy.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import any_type, unpack
from .base import Check
from .subject import Subject

TCP = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per tcp_proxy."""
    for chain in subject.chains:
        for i, entry in enumerate(chain.msg.filters):
            config = unpack(entry.typed_config) if any_type(entry.typed_config) == TCP else None
            if config is not None and not config.HasField("idle_timeout"):
                yield CHECK.finding(
                    chain.ref.at("filters", i, "typed_config", "idle_timeout"),
                    f"tcp_proxy of listener `{chain.listener.name}` closes connections that are idle for 1 hour "
                    "(idle_timeout, the default)",
                    fold="default",
                )


CHECK = Check(
    code="ESM621",
    name="tcp-idle-default",
    severity="info",
    title="TCP connections closed after an idle hour",
    fix="set idle_timeout of the tcp_proxy (0s switches it off)",
    find=find,
)
