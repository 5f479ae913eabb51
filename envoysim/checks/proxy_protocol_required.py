"""Clients without a PROXY header are cut off.

## What it finds
A listener with the proxy_protocol listener filter without `allow_requests_without_proxy_protocol`.

## Why it matters
A connection that does not begin with a PROXY header is closed without an answer: a load balancer whose proxy
protocol is off, a health check, curl.

## Example
`listener_filters: [proxy_protocol]` behind a load balancer that sends plain TCP.

## When it is harmless
Everybody in front sends the header.

## Fix
Switch the proxy protocol on in the load balancer, or set allow_requests_without_proxy_protocol.

## Source
`source/extensions/filters/listener/proxy_protocol/proxy_protocol.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import any_type, unpack
from .base import Check
from .subject import Subject

PROXY = "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per listener."""
    for listener in subject.listeners:
        for i, entry in enumerate(listener.msg.listener_filters):
            config = unpack(entry.typed_config) if any_type(entry.typed_config) == PROXY else None
            if config is not None and not config.allow_requests_without_proxy_protocol:
                yield CHECK.finding(
                    listener.ref.at("listener_filters", i),
                    f"listener `{listener.name}` expects a PROXY header (proxy_protocol): a connection without one is "
                    "closed",
                )


CHECK = Check(
    code="ESM223",
    name="proxy-protocol-required",
    severity="info",
    title="PROXY header that every client must send",
    fix="switch the proxy protocol on in the load balancer, or set allow_requests_without_proxy_protocol",
    find=find,
)
