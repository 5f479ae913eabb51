"""TLS to an upstream agrees on another HTTP version than the one that is spoken.

## What it finds
A cluster that speaks HTTP/2 while its TLS context offers only `http/1.1` (ALPN), or that speaks HTTP/1.1 while it
offers only `h2`.

## Why it matters
The upstream takes what was offered and expects that protocol; Envoy sends the other: 502 `UPE` (protocol error)
or 503 `UC`.

## Example
`http2_protocol_options: {}` and `alpn_protocols: [http/1.1]`.

## When it is harmless
The upstream does not look at ALPN.

## Fix
Remove alpn_protocols (Envoy offers what it speaks), or set the protocol that is offered.

## Source
`source/common/tls/client_context_impl.cc`, `source/common/http/codec_client.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .cluster_walk import http_options
from .subject import ClusterItem, Subject, origin_of
from .tls_walk import upstream_tls


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    for cluster, context, ref in upstream_tls(subject):
        offered = list(context.common_tls_context.alpn_protocols)
        spoken = explicit_protocol(cluster)
        if not offered or spoken is None or spoken in offered or not set(offered) <= {"h2", "http/1.1"}:
            continue
        yield CHECK.finding(
            ref.at("common_tls_context", "alpn_protocols"),
            f"cluster `{cluster.name}` offers ALPN `{', '.join(offered)}` but speaks "
            f"{'HTTP/2 (h2)' if spoken == 'h2' else 'HTTP/1.1'}: the upstream expects the other protocol, "
            "502 UPE or 503 UC",
            related=(Related(cluster.ref, "the cluster's HTTP protocol options"),),
            origin=origin_of(cluster.msg),
        )


def explicit_protocol(cluster: ClusterItem) -> str | None:
    """Return `h2` or `http/1.1`; ``None`` where it depends (ALPN, the downstream's protocol, HTTP/3)."""
    options = http_options(cluster)
    if options is None:
        return "h2" if cluster.msg.HasField("http2_protocol_options") else "http/1.1"
    if options.WhichOneof("upstream_protocol_options") != "explicit_http_config":
        return None
    kind = options.explicit_http_config.WhichOneof("protocol_config")
    return {"http2_protocol_options": "h2", "http_protocol_options": "http/1.1"}.get(kind or "")


CHECK = Check(
    code="ESM431",
    name="upstream-alpn-against-protocol",
    severity="error",
    title="Upstream ALPN against the HTTP version",
    fix="remove alpn_protocols (Envoy offers what it speaks), or set the protocol that is offered",
    find=find,
)
