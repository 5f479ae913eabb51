"""gRPC is sent to a cluster that speaks HTTP/1.1.

## What it finds
An HTTP filter's gRPC service (external authorization, rate limit, external processing) or a route for gRPC
(`match.grpc`) whose cluster speaks HTTP/1.1.

## Why it matters
gRPC needs HTTP/2. A server that speaks HTTP/2 alone closes the connection: the filter's call fails each time (403
`ext_authz_error`, or it fails open), the route ends as 503 `UC` or 502 `UPE`.

## Example
`grpc_service: {envoy_grpc: {cluster_name: ext-authz}}` and a cluster without `http2_protocol_options`.

## When it is harmless
A grpc_http1_bridge stands in between.

## Fix
Set explicit_http_config.http2_protocol_options on the cluster (Kubernetes: appProtocol or port name grpc).

## Source
`source/common/grpc/async_client_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..model.ref import Ref
from ..schema import Msg
from .base import Check
from .subject import Subject
from .upstream_alpn_against_protocol import explicit_protocol

PREFIX = "envoy.extensions.filters.http."
SERVICES = {
    PREFIX + "ext_authz.v3.ExtAuthz": ("grpc_service",),
    PREFIX + "ratelimit.v3.RateLimit": ("rate_limit_service", "grpc_service"),
    PREFIX + "ext_proc.v3.ExternalProcessor": ("grpc_service",),
}


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per service and per route."""
    for item in subject.http_filters:
        path = SERVICES.get(item.type_name)
        if path is None or item.config is None:
            continue
        service: Msg = item.config
        for part in path:
            service = getattr(service, part)
        place = item.ref.at(*path, "envoy_grpc", "cluster_name")
        yield from _told(subject, f"filter `{item.name}` calls", service.envoy_grpc.cluster_name, place)
    bridged = {id(i.manager) for i in subject.http_filters if "grpc_http1" in i.type_name}
    for route in subject.forwards:
        if not route.msg.match.HasField("grpc") or any(id(m) in bridged for m in route.host.table.managers):
            continue
        for name, place in subject.cluster_names(route):
            yield from _told(subject, f"route `{route.label}` for gRPC goes to", name, place)


def _told(subject: Subject, who: str, name: str, place: Ref) -> Iterator[Finding]:
    cluster = subject.clusters.get(name)
    if cluster is not None and explicit_protocol(cluster) == "http/1.1":
        yield CHECK.finding(
            place,
            f"{who} cluster `{name}`, which speaks HTTP/1.1: gRPC needs HTTP/2 (http2_protocol_options), its server "
            "closes the connection",
            related=(Related(cluster.ref, "the cluster"),),
        )


CHECK = Check(
    code="ESM432",
    name="grpc-to-http1",
    severity="error",
    title="gRPC to an HTTP/1.1 cluster",
    fix="set explicit_http_config.http2_protocol_options on the cluster (Kubernetes: appProtocol or port name grpc)",
    find=find,
)
