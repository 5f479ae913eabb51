"""A chain takes plaintext where its neighbour requires a client certificate.

## What it finds
Two filter chains of a listener for the same destination, neither by server name: one requires
a client certificate, the other takes plaintext.

## Why it matters
mTLS is optional then: whoever sends plaintext is served without an identity, and policies by principal do not
know it. In Istio this is PeerAuthentication mode PERMISSIVE.

## Example
Istio's `0.0.0.0_8080` chain with `transport_protocol: tls` beside one with `raw_buffer`.

## When it is harmless
Clients are being moved to mTLS, or other policies refuse callers without identity.

## Fix
Remove the plaintext chain (Istio: PeerAuthentication mode STRICT).

## Source
`source/common/listener_manager/filter_chain_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import any_type
from .base import Check
from .subject import Chain, Subject
from .tls_walk import DOWNSTREAM_TLS, downstream_tls


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per plaintext chain whose destination another chain protects."""
    strict: dict[tuple[int, bytes], Chain] = {}
    for item in downstream_tls(subject):
        names = item.chain.msg.filter_chain_match.server_names
        if item.context.require_client_certificate.value and not names:
            strict.setdefault(_where(item.chain), item.chain)
    for chain in subject.chains if strict else ():
        protected = strict.get(_where(chain))
        if protected is not None and not chain.default and _plain(chain):
            name = f"filter chain `{chain.msg.name}`" if chain.msg.name else "a filter chain"
            yield CHECK.finding(
                chain.ref.at("filter_chain_match", "transport_protocol"),
                f"{name} of listener `{chain.listener.name}` takes plaintext for a destination where another chain "
                "requires a client certificate: mTLS is permissive, not strict",
                related=(Related(protected.ref, "the chain that requires mTLS"),),
                fold="permissive",
            )


def _plain(chain: Chain) -> bool:
    kind = any_type(chain.msg.transport_socket.typed_config)
    return not chain.msg.HasField("transport_socket") or (kind != DOWNSTREAM_TLS and kind.endswith(".RawBuffer"))


def _where(chain: Chain) -> tuple[int, bytes]:
    """The listener and the destination a chain serves."""
    match = chain.msg.filter_chain_match
    ranges = b"".join(sorted(r.SerializeToString(deterministic=True) for r in match.prefix_ranges))
    return id(chain.listener), b"%d " % match.destination_port.value + ranges


CHECK = Check(
    code="ESM220",
    name="plaintext-beside-mtls",
    severity="info",
    title="Plaintext where mTLS is required beside it",
    fix="remove the plaintext chain (Istio: PeerAuthentication mode STRICT)",
    find=find,
)
