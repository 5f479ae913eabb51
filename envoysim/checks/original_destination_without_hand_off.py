"""Original destination restored, but not handed over.

## What it finds
A listener with the `original_dst` filter but without `use_original_dst`, while other listeners wait for a hand-off
(`bind_to_port: false`).

## Why it matters
The filter restores the address; only `use_original_dst` passes the connection to the listener of that address. It
stays here.

## Example
`listener_filters: [original_dst]` alone.

## When it is harmless
This listener's own chains choose by the restored address.

## Fix
Set use_original_dst: true on the listener.

## Source
`source/common/listener_manager/active_tcp_socket.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import any_type
from .base import Check
from .subject import Subject

FILTER = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per listener."""
    waiting = [x for x in subject.listeners if x.msg.HasField("bind_to_port") and not x.msg.bind_to_port.value]
    if not waiting or any(x.msg.use_original_dst.value for x in subject.listeners):
        return
    for listener in subject.listeners:
        for i, entry in enumerate(listener.msg.listener_filters):
            if entry.HasField("typed_config") and any_type(entry.typed_config) == FILTER and listener not in waiting:
                yield CHECK.finding(
                    listener.ref.at("listener_filters", i),
                    f"listener `{listener.name}` restores the original destination but hands nothing over: "
                    f"`{waiting[0].name}` and others get no connection",
                )


CHECK = Check(
    code="ESM217",
    name="original-destination-without-hand-off",
    severity="warning",
    title="Original destination restored, but not handed over",
    fix="set use_original_dst: true on the listener",
    find=find,
)
