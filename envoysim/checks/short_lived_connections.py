"""Upstream connections carry few requests.

## What it finds
A cluster with `max_requests_per_connection` below 10, or with HTTP/2 `max_concurrent_streams` below 10.

## Why it matters
With `max_requests_per_connection: 1` keep-alive is off: each request pays a handshake, and ports run out under
load. Few concurrent streams make HTTP/2 open a connection for every few requests, up to `max_connections`; beyond
that requests wait and overflow: 503 `UO`.

## Example
Istio: `maxRequestsPerConnection: 1`.

## When it is harmless
Requests are rare and long.

## Fix
Raise or remove max_requests_per_connection (max_concurrent_streams).

## Source
`source/common/http/conn_pool_base.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..model.ref import Ref
from .base import Check
from .cluster_walk import OPTIONS, http_options
from .subject import ClusterItem, Subject, origin_of

FEW = 10


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster and setting."""
    for cluster in subject.clusters.values():
        for place, what, value in _settings(cluster):
            if 0 < value < FEW:
                yield CHECK.finding(
                    place,
                    f"cluster `{cluster.name}` puts {value} {what}: connections are opened anew all the time, "
                    "keep-alive and multiplexing do not help",
                    origin=origin_of(cluster.msg),
                )


def _settings(cluster: ClusterItem) -> Iterator[tuple[Ref, str, int]]:
    msg, options = cluster.msg, http_options(cluster)
    requests, streams = "requests on a connection (max_requests_per_connection)", "streams (max_concurrent_streams)"
    yield cluster.ref.at("max_requests_per_connection"), requests, msg.max_requests_per_connection.value
    common, http2 = msg.common_http_protocol_options, msg.http2_protocol_options
    place = cluster.ref
    if options is not None:
        common, http2 = options.common_http_protocol_options, options.explicit_http_config.http2_protocol_options
        place = cluster.ref.at("typed_extension_protocol_options", OPTIONS)
    field = "max_requests_per_connection"
    yield place.at("common_http_protocol_options", field), requests, common.max_requests_per_connection.value
    inner = place.at("explicit_http_config") if options is not None else place
    yield inner.at("http2_protocol_options", "max_concurrent_streams"), streams, http2.max_concurrent_streams.value


CHECK = Check(
    code="ESM442",
    name="short-lived-connections",
    severity="info",
    title="Upstream connections that carry few requests",
    fix="raise or remove max_requests_per_connection (max_concurrent_streams)",
    find=find,
)
