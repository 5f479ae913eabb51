"""Application protocols that are never read.

## What it finds
A filter chain that asks for `application_protocols` on a listener with neither the TLS nor the HTTP inspector.

## Why it matters
Nobody reads the protocols a client offers, so the chain never matches.

## Example
`filter_chain_match: {application_protocols: [http/1.1]}` without listener filters.

## When it is harmless
Another listener filter sets the protocols.

## Fix
Add tls_inspector for TLS, and http_inspector for plaintext.

## Source
`source/common/listener_manager/filter_chain_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import any_type
from .base import Check
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per such chain."""
    for chain in subject.chains:
        listener = chain.listener
        if not chain.msg.filter_chain_match.application_protocols or listener.msg.HasField("udp_listener_config"):
            continue
        kinds = [any_type(f.typed_config) if f.HasField("typed_config") else "" for f in listener.msg.listener_filters]
        if not any(not k or k.endswith((".TlsInspector", ".HttpInspector")) for k in kinds):
            yield CHECK.finding(
                chain.ref.at("filter_chain_match", "application_protocols"),
                f"filter chain of listener `{listener.name}` asks for application protocols, but no inspector reads "
                "them: it never matches",
            )


CHECK = Check(
    code="ESM203",
    name="alpn-without-inspector",
    severity="warning",
    title="Application protocols that are never read",
    fix="add tls_inspector for TLS, and http_inspector for plaintext",
    find=find,
)
