"""Upstream protocol options in two places.

## What it finds
A cluster with `typed_extension_protocol_options` of HTTP and the older fields (`http2_protocol_options`,
`protocol_selection`, ...).

## Why it matters
The extension wins; the older fields are not read. Who sets `http2_protocol_options` there gets HTTP/1.1 all the
same.

## Example
`http2_protocol_options: {}` beside an extension with `explicit_http_config: {http_protocol_options: {}}`.

## When it is harmless
Both say the same.

## Fix
Keep HttpProtocolOptions only.

## Source
`createProtocolOptionsConfig` in `source/common/upstream/upstream_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .cluster_walk import http_options
from .subject import Subject, origin_of

FIELDS = (
    "http2_protocol_options",
    "http_protocol_options",
    "common_http_protocol_options",
    "upstream_http_protocol_options",
)


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per field."""
    for cluster in subject.clusters.values():
        if not cluster.msg.typed_extension_protocol_options or http_options(cluster) is None:
            continue
        for field in FIELDS:
            if cluster.msg.HasField(field):
                yield CHECK.finding(
                    cluster.ref.at(field),
                    f"cluster `{cluster.name}` sets {field}, but its HttpProtocolOptions extension is what counts",
                    origin=origin_of(cluster.msg),
                )


CHECK = Check(
    code="ESM423",
    name="protocol-options-twice",
    severity="warning",
    title="Upstream protocol options in two places",
    fix="keep HttpProtocolOptions only",
    find=find,
)
