"""Upstream connections that are kept for ever.

## What it finds
A cluster with `idle_timeout: 0s` for its connections, or one of more than an hour (the default).

## Why it matters
The upstream closes idle connections on its own. A request sent at that moment is lost: 503 `UC`,
`upstream_reset_before_response_started{connection_termination}`.

## Example
`common_http_protocol_options: {idle_timeout: 0s}` in front of Node.js (5 s).

## When it is harmless
The upstream never closes.

## Fix
Set common_http_protocol_options.idle_timeout below the upstream's own keep-alive timeout.

## Source
`source/common/http/codec_client.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import duration_ms
from .base import Check
from .cluster_walk import http_options
from .subject import Subject, origin_of

HOUR_MS = 3_600_000.0


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    for cluster in subject.clusters.values():
        options = http_options(cluster)
        common = (options if options is not None else cluster.msg).common_http_protocol_options
        if not common.HasField("idle_timeout"):
            continue
        idle = duration_ms(common.idle_timeout)
        if not idle or idle > HOUR_MS:
            yield CHECK.finding(
                cluster.ref,
                f"cluster `{cluster.name}` keeps idle connections "
                f"{f'{idle / 1000:g} s' if idle else 'for ever'}: when the "
                "upstream closes one first, a request is lost (503 UC)",
                origin=origin_of(cluster.msg),
            )


CHECK = Check(
    code="ESM618",
    name="upstream-never-idle",
    severity="warning",
    title="Upstream connections that are kept for ever",
    fix="set common_http_protocol_options.idle_timeout below the upstream's own keep-alive timeout",
    find=find,
)
