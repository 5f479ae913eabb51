"""A listener filter reads before the PROXY header is taken off.

## What it finds
A listener whose tls_inspector or http_inspector stands before proxy_protocol.

## Why it matters
Listener filters run in order on the same bytes. The inspector sees the PROXY header instead of the TLS hello,
decides that it is no TLS, and the connection goes to the chain without server names, or is closed:
`filter_chain_not_found`.

## Example
`listener_filters: [tls_inspector, proxy_protocol]` behind a TCP load balancer.

## When it is harmless
Nobody sends a PROXY header (`allow_requests_without_proxy_protocol`).

## Fix
Put proxy_protocol first.

## Source
`source/extensions/filters/listener/tls_inspector/tls_inspector.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import any_type
from .base import Check
from .subject import Subject

PREFIX = "envoy.extensions.filters.listener."
PROXY = PREFIX + "proxy_protocol.v3.ProxyProtocol"
INSPECTORS = (PREFIX + "tls_inspector.v3.TlsInspector", PREFIX + "http_inspector.v3.HttpInspector")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per inspector that is too early."""
    for listener in subject.listeners:
        kinds = [any_type(f.typed_config) for f in listener.msg.listener_filters]
        if PROXY not in kinds:
            continue
        last = kinds.index(PROXY)
        for i, kind in enumerate(kinds[:last]):
            if kind in INSPECTORS:
                name = listener.msg.listener_filters[i].name
                yield CHECK.finding(
                    listener.ref.at("listener_filters", i),
                    f"listener filter `{name}` of listener `{listener.name}` stands before proxy_protocol: it reads "
                    "the PROXY header instead of the TLS hello, and no server name (SNI) or ALPN is detected",
                    related=(Related(listener.ref.at("listener_filters", last), "proxy_protocol"),),
                )


CHECK = Check(
    code="ESM219",
    name="inspector-before-proxy-protocol",
    severity="warning",
    title="Inspector in front of proxy_protocol",
    fix="put proxy_protocol first",
    find=find,
)
