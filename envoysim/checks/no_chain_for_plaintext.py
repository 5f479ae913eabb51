"""A listener serves mTLS only: plaintext callers are cut off.

## What it finds
A listener whose filter chains all ask for `transport_protocol: tls` and require a client certificate, without a
default chain.

## Why it matters
A client that sends plaintext (a caller without a sidecar, a health check, Prometheus) is closed without an
answer: `filter_chain_not_found`; its Envoy reports 503 `UC`.

## Example
Istio: PeerAuthentication mode STRICT and a caller without a sidecar.

## When it is harmless
Everybody who is meant to call speaks mTLS.

## Fix
Give the callers mTLS (a sidecar), or add a chain for plaintext (Istio: PeerAuthentication mode PERMISSIVE).

## Source
`source/common/listener_manager/filter_chain_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Chain, Subject
from .tls_walk import downstream_tls


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per listener."""
    strict = {id(i.chain) for i in downstream_tls(subject) if i.context.require_client_certificate.value}
    listeners: dict[int, list[Chain]] = {}
    for chain in subject.chains if strict else ():
        listeners.setdefault(id(chain.listener), []).append(chain)
    for chains in listeners.values():
        listener = chains[0].listener
        if listener.msg.HasField("filter_chain_matcher"):
            continue
        if all(id(c) in strict and c.msg.filter_chain_match.transport_protocol == "tls" for c in chains):
            yield CHECK.finding(
                listener.ref.at("filter_chains"),
                f"listener `{listener.name}` requires mTLS in every filter chain (strict): plaintext callers are "
                "closed, filter_chain_not_found (NR)",
            )


CHECK = Check(
    code="ESM221",
    name="no-chain-for-plaintext",
    severity="info",
    title="Plaintext callers of an mTLS-only listener are cut off",
    fix="give the callers mTLS (a sidecar), or add a chain for plaintext (Istio: PeerAuthentication mode PERMISSIVE)",
    find=find,
)
