"""Certificate that is not for the chain's server name.

## What it finds
A filter chain whose certificates (inline, or in the dump's secrets) cover one of its `server_names` neither by name
nor by wildcard.

## Why it matters
Clients that ask for this server name get a certificate for another one and refuse the connection.

## Example
`server_names: [shop.example]` with a certificate for `www.shop.example`.

## When it is harmless
Clients do not verify the name. With mutual TLS nothing is reported: in a mesh, peers compare identities (SPIFFE URIs)
instead.

## Fix
Use a certificate whose names cover the server names of the chain.

## Source
RFC 9525.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .certificate import covers
from .subject import Subject
from .tls_walk import certificate_items, downstream_tls


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per chain and server name that is not covered."""
    for item in downstream_tls(subject):
        names = item.chain.msg.filter_chain_match.server_names
        if item.context.require_client_certificate.value:
            continue  # in a mesh, peers compare identities (URIs), not host names
        certificates = [c for c, _ in certificate_items(subject, item)] if names else []
        known = tuple(name for c in certificates for name in c.names)
        if not known or any(not c.names for c in certificates):
            continue
        for i, name in enumerate(names):
            asked = "any" + name[1:] if name.startswith("*.") else name
            if not covers(known, asked):
                yield CHECK.finding(
                    item.chain.ref.at("filter_chain_match", "server_names", i),
                    f"server name `{name}` of listener `{item.chain.listener.name}` is presented a certificate for "
                    f"{', '.join(f'`{n}`' for n in known[:3])}: clients refuse it",
                )


CHECK = Check(
    code="ESM204",
    name="certificate-not-for-server-name",
    severity="error",
    title="Certificate that is not for the chain's server name",
    fix="use a certificate whose names cover the server names of the chain",
    find=find,
)
