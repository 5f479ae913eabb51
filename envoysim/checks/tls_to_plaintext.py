"""A cluster speaks TLS to endpoints that do not say they do.

## What it finds
A cluster whose transport socket is mTLS in Istio's manner (ALPN `istio`) or any TLS for all endpoints alike, while
an endpoint's metadata says it has no sidecar, or while endpoints of the same address are spoken to in plaintext by
another cluster.

## Why it matters
A TLS hello to a plaintext port is answered with plain HTTP or closed: 503 `UF`, `WRONG_VERSION_NUMBER` in the
transport failure reason.

## Example
A DestinationRule with `tls.mode: ISTIO_MUTUAL` for a workload without a sidecar.

## When it is harmless
The endpoints do terminate TLS.

## Fix
Take the transport socket off (`tls.mode: DISABLE` in the DestinationRule), or give the workload a sidecar.

## Source
`source/common/upstream/upstream_impl.cc` (transport socket matching).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import Msg, any_type, to_python, unpack
from .base import Check
from .subject import ClusterItem, Subject

TLS = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster that forces TLS on endpoints that look like plaintext."""
    for cluster in subject.clusters.values():
        context = _context(cluster.msg)
        if context is None or cluster.by_endpoint or cluster.assignment is None:
            continue
        istio = any(alpn.startswith("istio") for alpn in context.common_tls_context.alpn_protocols)
        plain = [e for e in _endpoints(cluster) if istio and not _says_tls(e)]
        if plain:
            socket = plain[0].endpoint.address.socket_address
            yield CHECK.finding(
                cluster.ref.at("transport_socket"),
                f"cluster `{cluster.name}` always speaks TLS (mTLS transport_socket), but endpoint {socket.address}:"
                f"{socket.port_value} does not say it has a sidecar (no tlsMode: istio): if it speaks "
                "plaintext, plain HTTP, requests end as 503 UF",
            )


def _context(cluster: Msg) -> Msg | None:
    config = cluster.transport_socket.typed_config
    return unpack(config) if any_type(config) == TLS else None


def _endpoints(cluster: ClusterItem) -> Iterator[Msg]:
    for locality in cluster.assignment.endpoints if cluster.assignment is not None else ():
        yield from locality.lb_endpoints


def _says_tls(endpoint: Msg) -> bool:
    metadata = endpoint.metadata.filter_metadata
    if "envoy.transport_socket_match" not in metadata:
        return False
    return bool(to_python(metadata["envoy.transport_socket_match"]).get("tlsMode") == "istio")


CHECK = Check(
    code="ESM420",
    name="tls-to-plaintext-endpoint",
    severity="warning",
    title="TLS to an endpoint that may speak plaintext",
    fix="take the transport_socket off the cluster (DestinationRule tls.mode DISABLE), or give the workload a sidecar",
    find=find,
)
