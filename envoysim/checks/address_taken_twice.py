"""Two listeners on one address.

## What it finds
Two serving listeners that bind the same address, port and protocol.

## Why it matters
Envoy refuses the second one (`has duplicate address`), or, with `SO_REUSEPORT` across processes, connections are
spread at random.

## Example
A Gateway and a Sidecar both on `0.0.0.0:8080`.

## When it is harmless
The dump is put together from several proxies.

## Fix
Give one of the listeners another port, or merge them.

## Source
`source/common/listener_manager/listener_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .subject import ListenerItem, Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per listener that repeats an address."""
    first: dict[tuple[str, int, int, int], ListenerItem] = {}
    for listener in subject.listeners:
        socket = listener.msg.address.socket_address
        bound = not listener.msg.HasField("bind_to_port") or listener.msg.bind_to_port.value
        if not socket.address or not socket.port_value or not bound:
            continue
        key = (socket.address, socket.port_value, socket.protocol, listener.ref.source)
        other = first.setdefault(key, listener)
        if other is not listener and other.name != listener.name:
            yield CHECK.finding(
                listener.ref.at("address"),
                f"listeners `{other.name}` and `{listener.name}` both bind {socket.address}:{socket.port_value}: the "
                "second is refused",
                related=(Related(other.ref.at("address"), "the first one"),),
            )


CHECK = Check(
    code="ESM215",
    name="address-taken-twice",
    severity="error",
    title="Two listeners on one address",
    fix="give one of the listeners another port, or merge them",
    find=find,
)
