"""One endpoint is spoken to in TLS by one cluster and in plaintext by another.

## What it finds
A cluster that HTTP routes use and that speaks plaintext to an address to which another cluster speaks TLS;
or a cluster with an endpoint on port 443 in plaintext, or on port 80 in TLS without a client certificate, that
HTTP routes use.

## Why it matters
A port speaks one of them. Plaintext to a TLS port ends as a reset or as `400 The plain HTTP request was sent to
HTTPS port`; TLS to a plaintext port as 503 `UF` `WRONG_VERSION_NUMBER`.

## Example
A cluster for `api.example.com:443` without `transport_socket` (Istio: a ServiceEntry of protocol HTTP without TLS
origination).

## When it is harmless
The port tells TLS and plaintext apart.

## Fix
Give the plaintext cluster a transport_socket (Istio: DestinationRule tls.mode SIMPLE), or take it off the other.

## Source
`source/common/upstream/upstream_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .cluster_walk import routed_clusters
from .endpoint_walk import EndpointItem, endpoints_of
from .subject import ClusterItem, Subject, origin_of
from .tls_walk import upstream_tls

HTTP, HTTPS = ":80", ":443"
REFUSED = "503 UC, or 400 `plain HTTP request was sent to HTTPS port`"
Seen = dict[str, tuple[ClusterItem, EndpointItem]]


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per address that an HTTP cluster speaks to in a way that another, or its port, contradicts."""
    plain, secure, one_sided = _by_transport(subject)
    for address, (cluster, endpoint) in plain.items():
        other = secure.get(address)
        if other is not None:
            yield _finding(
                cluster, other[1], f"plaintext HTTP to {address}, and cluster `{other[0].name}` TLS: {REFUSED}"
            )
        elif address.endswith(HTTPS):
            what = f"plaintext HTTP (no transport_socket) to {address}, where TLS is usual: {REFUSED}"
            yield _finding(cluster, endpoint, what)
    for address, (cluster, endpoint) in one_sided.items():
        if address.endswith(HTTP):
            what = f"TLS to {address}, where plaintext HTTP is usual: 503 UF WRONG_VERSION_NUMBER"
            yield _finding(cluster, endpoint, what)


def _by_transport(subject: Subject) -> tuple[Seen, Seen, Seen]:
    """Endpoints of HTTP clusters in plaintext, of any cluster in TLS, and of HTTP clusters in one-sided TLS.

    Plaintext that no HTTP route uses may carry the client's own TLS; TLS with a client certificate is a mesh's.
    """
    routed = routed_clusters(subject)
    plain: Seen = {}
    secure: Seen = {}
    one_sided: Seen = {}
    contexts = {cluster.name: context.common_tls_context for cluster, context, _ in upstream_tls(subject)}
    for cluster in subject.clusters.values():
        common = contexts.get(cluster.name)
        places = []
        if common is not None:
            places.append(secure)
            if not common.tls_certificates and not common.tls_certificate_sds_secret_configs:
                places += [one_sided] if cluster.name in routed else []
        elif cluster.name in routed and not cluster.msg.HasField("transport_socket"):
            places.append(plain)
        for endpoint in endpoints_of(cluster) if places and not cluster.by_endpoint else ():
            for place in places:
                place.setdefault(endpoint.address, (cluster, endpoint))
    return plain, secure, one_sided


def _finding(cluster: ClusterItem, endpoint: EndpointItem, what: str) -> Finding:
    return CHECK.finding(
        cluster.ref.at("transport_socket"),
        f"cluster `{cluster.name}` speaks {what}",
        related=(Related(endpoint.ref, "the endpoint"),),
        origin=origin_of(cluster.msg),
    )


CHECK = Check(
    code="ESM430",
    name="endpoint-with-and-without-tls",
    severity="warning",
    title="Endpoint with and without TLS",
    fix="give the plaintext cluster a transport_socket (Istio: DestinationRule tls.mode SIMPLE), or take it off "
    "the other",
    find=find,
)
