"""Connect timeout that a slow handshake exceeds.

## What it finds
A routed cluster whose `connect_timeout` is 250 ms or less.

## Why it matters
The connect timeout is for the TCP and the TLS handshake together. Where they take longer (another region, a busy
server), the request ends as 503 `UF`, details `upstream_reset_before_response_started{connection_timeout}`.

## Example
`connect_timeout: 0.25s` for a service on the Internet.

## When it is harmless
The endpoints are near and quick.

## Fix
Set connect_timeout to a second or more.

## Source
`ActiveClient::onConnectTimeout` in `source/common/conn_pool/conn_pool_base.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import duration_ms
from .base import Check
from .cluster_walk import routed_clusters
from .subject import Subject, origin_of

SHORT_MS = 250


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    for name in routed_clusters(subject):
        cluster = subject.clusters.get(name)
        if cluster is None or not cluster.msg.HasField("connect_timeout"):
            continue
        limit = duration_ms(cluster.msg.connect_timeout)
        if 0 < limit <= SHORT_MS:
            yield CHECK.finding(
                cluster.ref.at("connect_timeout"),
                f"cluster `{name}` gives TCP and TLS handshakes {limit:g} ms (connect_timeout): slower connections "
                "fail, 503 UF connection_timeout",
                origin=origin_of(cluster.msg),
                fold="short",
            )


CHECK = Check(
    code="ESM624",
    name="short-connect-timeout",
    severity="info",
    title="Connect timeout that a slow handshake exceeds",
    fix="set connect_timeout to a second or more",
    find=find,
)
