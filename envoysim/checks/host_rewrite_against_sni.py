"""The upstream is told one host in TLS and another in HTTP.

## What it finds
A route that rewrites the host to one literal name (`host_rewrite_literal`), to a cluster whose TLS names another
(`sni`).

## Why it matters
The upstream picks its certificate and often its virtual host by SNI, and compares it with the Host header: 421,
404 or 403 from the upstream.

## Example
`host_rewrite_literal: api.example.com` and `sni: www.example.com`.

## When it is harmless
The upstream does not look at SNI, or the host is another service behind the same front.

## Fix
Make sni and the host the same, or use auto_sni (SNI follows the Host header).

## Source
RFC 9110, 7.4; `source/common/router/router.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .cluster_walk import http_options
from .subject import ClusterItem, Subject, origin_of
from .tls_walk import upstream_tls


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route and cluster."""
    names = {c.name: (context.sni, ref) for c, context, ref in upstream_tls(subject) if context.sni and not _auto(c)}
    for route in subject.forwards if names else ():
        host = route.msg.route.host_rewrite_literal.partition(":")[0].lower()
        for name, _ in subject.cluster_names(route):
            sni, ref = names.get(name, ("", None))
            if host and ref is not None and "." in host and sni.lower() != host and not sni.startswith("outbound_"):
                yield CHECK.finding(
                    route.ref.at("route", "host_rewrite_literal"),
                    f"route `{route.label}` rewrites the host to `{host}`, but cluster `{name}` names `{sni}` in TLS "
                    "(SNI): the upstream may refuse the mismatch (421, 404)",
                    related=(Related(ref.at("sni"), "the server name"),),
                    origin=origin_of(route.msg),
                )


def _auto(cluster: ClusterItem) -> bool:
    options = http_options(cluster)
    own = cluster.msg.upstream_http_protocol_options.auto_sni
    return bool(own or (options is not None and options.upstream_http_protocol_options.auto_sni))


CHECK = Check(
    code="ESM331",
    name="host-rewrite-against-sni",
    severity="warning",
    title="Host rewrite against the server name",
    fix="make sni and the host the same, or use auto_sni (SNI follows the Host header)",
    find=find,
)
