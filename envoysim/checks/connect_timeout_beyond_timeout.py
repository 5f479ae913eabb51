"""Connection attempt that may outlast the request.

## What it finds
A cluster whose `connect_timeout` (5 s where it is not set) is at or above the timeout of a route to it.

## Why it matters
A host that does not answer the handshake uses up the whole request: 504 `UT` instead of a retry on another host.

## Example
`timeout: 2s` and the default connect timeout.

## When it is harmless
Hosts refuse connections rather than swallow them.

## Fix
Set connect_timeout to a second or less, well below the route's timeout.

## Source
`source/common/http/conn_pool_base.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import duration_ms
from .base import Check
from .retry_walk import retry_policies
from .subject import Subject, origin_of

DEFAULT_MS = 5000.0


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster: for the first route with retries that is cut."""
    told: set[str] = set()
    for item in retry_policies(subject):
        if not item.tokens or not item.total_ms:
            continue
        for name, _ in subject.cluster_names(item.route):
            cluster = subject.clusters.get(name)
            if cluster is None or name in told:
                continue
            connect = (
                duration_ms(cluster.msg.connect_timeout) if cluster.msg.HasField("connect_timeout") else DEFAULT_MS
            )
            if connect >= item.total_ms:
                told.add(name)
                yield CHECK.finding(
                    cluster.ref.at("connect_timeout"),
                    f"connecting to cluster `{name}` may take {connect / 1000:g} s, but route "
                    f"`{item.route.label}` ends "
                    f"after {item.total_ms / 1000:g} s: a dead host is not retried elsewhere",
                    related=(Related(item.route.ref.at("route", "timeout"), "the route's timeout"),),
                    origin=origin_of(cluster.msg),
                )


CHECK = Check(
    code="ESM616",
    name="connect-timeout-beyond-timeout",
    severity="warning",
    title="Connection attempt that may outlast the request",
    fix="set connect_timeout to a second or less, well below the route's timeout",
    find=find,
)
