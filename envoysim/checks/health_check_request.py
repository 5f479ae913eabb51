"""A health check asks in a way that servers may refuse.

## What it finds
An HTTP health check without `host`, or one in another HTTP version than the cluster speaks.

## Why it matters
Without `host` the Host header is the cluster's name, which a server with virtual hosts answers 404 or 421. A
check over HTTP/1.1 to a server that speaks HTTP/2 alone fails. Failing hosts leave the load balancing: 503 `UH`.

## Example
`http_health_check: {path: /ready}` on cluster `outbound|80||web.svc`.

## When it is harmless
The server looks at the path only, and speaks both versions.

## Fix
Set host in http_health_check (and codec_client_type to the cluster's version).

## Source
`source/extensions/health_checkers/http/health_checker_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .endpoint_walk import endpoints_of
from .subject import Subject, origin_of
from .upstream_alpn_against_protocol import explicit_protocol

CODECS = {"HTTP1": "http/1.1", "HTTP2": "h2"}


def find(subject: Subject) -> Iterator[Finding]:
    """Yield findings per health check."""
    for cluster in subject.clusters.values():
        for i, check in enumerate(cluster.msg.health_checks):
            if not check.HasField("http_health_check"):
                continue
            place, http = cluster.ref.at("health_checks", i, "http_health_check"), check.http_health_check
            spoken, asked = explicit_protocol(cluster), CODECS.get(enum_name(http, "codec_client_type"))
            if spoken is not None and asked is not None and spoken != asked:
                yield CHECK.finding(
                    place.at("codec_client_type"),
                    f"health check of cluster `{cluster.name}` speaks {asked}, the cluster {spoken}: a server of one "
                    "protocol fails the check",
                    severity="warning",
                    origin=origin_of(cluster.msg),
                )
            named = any(e.msg.endpoint.health_check_config.hostname for e in endpoints_of(cluster))
            if not http.host and not named:
                yield CHECK.finding(
                    place.at("host"),
                    f"health check of cluster `{cluster.name}` has no host: its Host header is the cluster's name, "
                    "which the server may answer with 404",
                    origin=origin_of(cluster.msg),
                    fold="no host",
                )


CHECK = Check(
    code="ESM440",
    name="health-check-request",
    severity="info",
    title="Health check that servers may refuse",
    fix="set host in http_health_check (and codec_client_type to the cluster's version)",
    find=find,
)
