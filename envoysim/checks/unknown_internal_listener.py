"""An endpoint is an internal listener that does not exist.

## What it finds
An endpoint with `envoy_internal_address` whose `server_listener_name` no listener has.

## Why it matters
The connection fails at once: 503 `UF`.

## Example
`envoy_internal_address: {server_listener_name: main_internal}` and no such listener.

## When it is harmless
The listener is about to be delivered.

## Fix
Correct the name, or deliver the internal listener.

## Source
`source/extensions/io_socket/user_space`, `source/common/network/connection_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .endpoint_walk import endpoints_of
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per endpoint."""
    if not subject.listeners:
        return  # clusters alone
    names = {listener.name for listener in subject.listeners}
    for cluster in subject.clusters.values():
        for endpoint in endpoints_of(cluster):
            name = endpoint.msg.endpoint.address.envoy_internal_address.server_listener_name
            if name and name not in names:
                yield CHECK.finding(
                    endpoint.ref.at("endpoint", "address"),
                    f"endpoint of cluster `{cluster.name}` is internal listener `{name}`, which does not exist: "
                    "connections fail, 503 UF",
                    origin=origin_of(cluster.msg),
                )


CHECK = Check(
    code="ESM434",
    name="unknown-internal-listener",
    severity="error",
    title="Endpoint at an unknown internal listener",
    fix="correct the name, or deliver the internal listener",
    find=find,
)
