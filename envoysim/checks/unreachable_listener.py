"""Listener that no connection can reach.

## What it finds
A listener with `bind_to_port: false` while no other listener hands connections over (`use_original_dst`).

## Why it matters
It has no socket of its own; only a hand-off to its address could reach it, and nothing hands over.

## Example
Istio's per-service listeners without `virtualOutbound`.

## When it is harmless
The dump holds only some of the listeners.

## Fix
Set use_original_dst on the listener that captures the traffic, or let this one bind its port.

## Source
`ActiveTcpSocket::newConnection` in `source/common/listener_manager/active_tcp_socket.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per listener that only a hand-off could reach, where there is none."""
    if any(x.msg.use_original_dst.value for x in subject.listeners):
        return
    for listener in subject.listeners:
        own = listener.msg.HasField("bind_to_port") and not listener.msg.bind_to_port.value
        own = own or (
            listener.msg.deprecated_v1.HasField("bind_to_port") and not listener.msg.deprecated_v1.bind_to_port.value
        )
        if own and not listener.msg.HasField("internal_listener"):
            yield CHECK.finding(
                listener.ref.at("bind_to_port"),
                f"listener `{listener.name}` does not bind its port and no listener hands over (use_original_dst): no "
                "connection reaches it",
            )


CHECK = Check(
    code="ESM201",
    name="unreachable-listener",
    severity="warning",
    title="Listener that no connection can reach",
    fix="set use_original_dst on the listener that captures the traffic, or let this one bind its port",
    find=find,
)
