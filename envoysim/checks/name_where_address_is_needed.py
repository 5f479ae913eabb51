"""Host name where only an IP address is allowed.

## What it finds
A STATIC or EDS cluster with an endpoint whose address is a host name.

## Why it matters
These types resolve nothing: Envoy refuses the update with `malformed IP address`.

## Example
`type: STATIC` and `address: db.example.com`.

## When it is harmless
The address has a resolver of its own (`resolver_name`).

## Fix
Use STRICT_DNS or LOGICAL_DNS, or write the IP address.

## Source
`source/common/upstream/upstream_impl.cc`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .endpoint_walk import endpoints_of
from .subject import Subject, origin_of

IP = re.compile(r"[0-9.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%\w+)?")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster: the first such endpoint."""
    for cluster in subject.clusters.values():
        kind = enum_name(cluster.msg, "type")
        if kind not in ("STATIC", "EDS") or cluster.msg.HasField("cluster_type"):
            continue
        for item in endpoints_of(cluster):
            socket = item.msg.endpoint.address.socket_address
            if socket.address and not socket.resolver_name and not IP.fullmatch(socket.address):
                yield CHECK.finding(
                    item.ref.at("endpoint", "address"),
                    f"{kind} cluster `{cluster.name}` has endpoint `{socket.address}`, which is no IP address: Envoy "
                    "rejects it",
                    origin=origin_of(cluster.msg),
                )
                break


CHECK = Check(
    code="ESM418",
    name="name-where-address-is-needed",
    severity="error",
    title="Host name where only an IP address is allowed",
    fix="use STRICT_DNS or LOGICAL_DNS, or write the IP address",
    find=find,
)
