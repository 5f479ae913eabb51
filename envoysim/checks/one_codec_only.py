"""Plaintext listener for one HTTP version.

## What it finds
A connection manager with `codec_type: HTTP2` or `HTTP1` on a chain without TLS.

## Why it matters
`AUTO` tells the version from the first bytes. With `HTTP2` clients of HTTP/1.1 (browsers, curl, health checks) are cut
off: the connection is closed with a protocol error, `DPE`. With `HTTP1` gRPC clients are.

## Example
`codec_type: HTTP2` on a listener that load balancers check with HTTP/1.1.

## When it is harmless
All clients speak this version.

## Fix
Use codec_type AUTO.

## Source
`source/common/http/conn_manager_utility.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .subject import Subject

REFUSED = {"HTTP2": "HTTP/1.1 clients", "HTTP1": "HTTP/2 clients without TLS (gRPC)"}


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per connection manager."""
    for manager in subject.managers:
        refused = REFUSED.get(enum_name(manager.msg, "codec_type"))
        if refused is not None and not manager.chain.msg.HasField("transport_socket"):
            yield CHECK.finding(
                manager.ref.at("codec_type"),
                f"listener `{manager.listener.name}` speaks {enum_name(manager.msg, 'codec_type')} only (codec_type): "
                f"{refused} are cut off with a protocol error (DPE)",
                fold=refused,
            )


CHECK = Check(
    code="ESM225",
    name="one-codec-only",
    severity="info",
    title="Plaintext listener for one HTTP version",
    fix="use codec_type AUTO",
    find=find,
)
