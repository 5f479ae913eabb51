"""A filter chain asks for what no connection has.

## What it finds
A filter chain whose `destination_port` is not the listener's while nothing restores an original destination, or
whose `transport_protocol` is a word that no listener filter sets.

## Why it matters
The chain takes no connection. Its clients fall to another chain, or are closed: `filter_chain_not_found`.

## Example
`destination_port: 443` on a listener at port 8443 without original_dst; `transport_protocol: https`.

## When it is harmless
Another listener hands connections over.

## Fix
Match the port the listener is bound to, or restore the original destination; transport_protocol is tls or
raw_buffer.

## Source
`source/common/listener_manager/filter_chain_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .no_original_destination import restores
from .subject import Subject

PROTOCOLS = ("", "tls", "raw_buffer", "quic")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per chain."""
    for chain in subject.chains:
        match, listener = chain.msg.filter_chain_match, chain.listener
        if chain.default or listener.msg.HasField("filter_chain_matcher"):
            continue
        own = listener.msg.address.socket_address.port_value
        elsewhere = own and match.HasField("destination_port") and match.destination_port.value != own
        if elsewhere and not restores(listener) and not listener.msg.additional_addresses:
            yield CHECK.finding(
                chain.ref.at("filter_chain_match", "destination_port"),
                f"filter chain of listener `{listener.name}` asks for destination port "
                f"{match.destination_port.value}, but the listener is bound to port {own} and restores no original "
                "destination: it never matches",
            )
        if match.transport_protocol not in PROTOCOLS and not listener.msg.listener_filters:
            yield CHECK.finding(
                chain.ref.at("filter_chain_match", "transport_protocol"),
                f"filter chain of listener `{listener.name}` asks for transport_protocol "
                f"`{match.transport_protocol}`, which no listener filter sets (tls, raw_buffer): it never matches",
            )


CHECK = Check(
    code="ESM222",
    name="filter-chain-never-matches",
    severity="warning",
    title="Filter chain that never matches",
    fix="match the port the listener is bound to, or restore the original destination; transport_protocol "
    "is tls or raw_buffer",
    find=find,
)
