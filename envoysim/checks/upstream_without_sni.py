"""TLS to an upstream without a server name.

## What it finds
An upstream TLS context without `sni`, on a cluster that takes it neither from the Host header nor from the
endpoint.

## Why it matters
The hello carries no server name. A server with several certificates or chains presents its default one, or closes
the connection: 503 `UF`.

## Example
`transport_socket` with a validation context only, to a shared ingress.

## When it is harmless
The server has one certificate.

## Fix
Set sni, auto_sni or auto_host_sni.

## Source
`source/common/tls/client_context_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .cluster_walk import http_options
from .subject import Subject, origin_of
from .tls_walk import upstream_tls


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    for cluster, context, ref in upstream_tls(subject):
        options = http_options(cluster)
        auto = options is not None and options.upstream_http_protocol_options.auto_sni
        auto = auto or cluster.msg.upstream_http_protocol_options.auto_sni or context.auto_host_sni
        if not context.sni and not auto:
            yield CHECK.finding(
                ref.at("sni"),
                f"cluster `{cluster.name}` speaks TLS without a server name (sni)",
                origin=origin_of(cluster.msg),
            )


CHECK = Check(
    code="ESM422",
    name="upstream-without-sni",
    severity="info",
    title="TLS to an upstream without a server name",
    fix="set sni, auto_sni or auto_host_sni",
    find=find,
)
