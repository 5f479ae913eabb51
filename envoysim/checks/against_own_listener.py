"""A cluster leads to a listener of this proxy that expects another transport.

## What it finds
A cluster with an endpoint that is a listener of the same dump (same address and port), where the cluster speaks
plaintext and every chain of the listener is TLS, or the cluster speaks TLS and no chain is.

## Why it matters
The connection is closed, or taken for a broken request: 503 `UC` or `UF`. A chain that requires a client
certificate refuses one-sided TLS the same way.

## Example
A cluster for 127.0.0.1:8443 without `transport_socket`, and a TLS listener there.

## When it is harmless
Never.

## Fix
Give the cluster the transport_socket that the listener expects (mTLS where it requires a client certificate).

## Source
`source/common/listener_manager/active_tcp_listener.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .endpoint_walk import endpoints_of
from .subject import Chain, Subject, origin_of
from .tls_walk import upstream_tls

WILDCARDS = ("0.0.0.0", "::")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster whose endpoint is a listener of the other kind."""
    chains: dict[str, list[Chain]] = {}
    for chain in subject.chains:
        socket = chain.listener.msg.address.socket_address
        if socket.address and socket.address not in WILDCARDS:
            chains.setdefault(f"{socket.address}:{socket.port_value}", []).append(chain)
    if not chains:
        return
    secure = {cluster.name for cluster, _, _ in upstream_tls(subject)}
    for cluster in subject.clusters.values():
        if cluster.by_endpoint or (cluster.msg.HasField("transport_socket") and cluster.name not in secure):
            continue
        for endpoint in endpoints_of(cluster):
            served = chains.get(endpoint.address, [])
            tls = cluster.name in secure
            if served and all(c.msg.HasField("transport_socket") is not tls for c in served):
                wanted, spoken = ("plaintext", "TLS") if tls else ("TLS", "plaintext")
                yield CHECK.finding(
                    cluster.ref.at("transport_socket"),
                    f"cluster `{cluster.name}` speaks {spoken} to {endpoint.address}, where this proxy's listener "
                    f"`{served[0].listener.name}` takes {wanted} only: connections fail, 503",
                    related=(Related(served[0].ref, "the listener's chain"),),
                    origin=origin_of(cluster.msg),
                )
                break


CHECK = Check(
    code="ESM443",
    name="against-own-listener",
    severity="error",
    title="Transport that the own listener does not take",
    fix="give the cluster the transport_socket that the listener expects (mTLS where it requires a client certificate)",
    find=find,
)
