"""Protocols in which the server speaks first wait for the inspector.

## What it finds
A listener with a TLS or HTTP inspector and TCP proxy chains, that does not continue when its listener filters time
out.

## Why it matters
An inspector waits for the client's first bytes. In MySQL, SMTP or SSH the client waits for the server: nothing
happens for 15 s (`listener_filters_timeout`), then the connection is closed without a flag.

## Example
MySQL through a listener with `tls_inspector`.

## When it is harmless
Every client of the listener speaks first.

## Fix
Set listener_filters_timeout and continue_on_listener_filters_timeout, or exempt the port (filter_disabled).

## Source
`ActiveTcpSocket::onTimeout` in `source/common/listener_manager/active_tcp_socket.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import any_type
from .base import Check
from .subject import Subject

TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per listener."""
    told: set[int] = set()
    for chain in subject.chains:
        listener = chain.listener
        if id(listener) in told or listener.msg.continue_on_listener_filters_timeout:
            continue
        if chain.msg.HasField("transport_socket") or chain.msg.filter_chain_match.transport_protocol == "tls":
            continue
        if chain.msg.filter_chain_match.server_names or chain.msg.filter_chain_match.application_protocols:
            continue
        inspects = any(
            f.HasField("typed_config")
            and any_type(f.typed_config).endswith((".TlsInspector", ".HttpInspector"))
            and not f.HasField("filter_disabled")
            for f in listener.msg.listener_filters
        )
        if inspects and any(
            any_type(f.typed_config) == TCP_PROXY for f in chain.msg.filters if f.HasField("typed_config")
        ):
            told.add(id(listener))
            yield CHECK.finding(
                listener.ref.at("listener_filters"),
                f"listener `{listener.name}` inspects the client's first bytes before it proxies TCP: where the server "
                "speaks first, the connection stalls and is closed",
            )


CHECK = Check(
    code="ESM216",
    name="inspector-stalls-server-first",
    severity="info",
    title="Protocols in which the server speaks first wait for the inspector",
    fix="set listener_filters_timeout and continue_on_listener_filters_timeout, or exempt the port (filter_disabled)",
    find=find,
)
