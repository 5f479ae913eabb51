"""TLS to an upstream that nobody verifies.

## What it finds
An upstream TLS context without any validation context.

## Why it matters
Every certificate is taken: whoever answers at the address is believed.

## Example
`transport_socket` with `sni` alone.

## When it is harmless
The network is trusted and TLS is used for its protocol negotiation only.

## Fix
Set validation_context with trusted_ca and the expected names.

## Source
`source/common/tls/client_context_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of
from .tls_walk import upstream_tls

VALIDATIONS = ("validation_context", "validation_context_sds_secret_config", "combined_validation_context")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    for cluster, context, ref in upstream_tls(subject):
        if not any(context.common_tls_context.HasField(v) for v in VALIDATIONS):
            yield CHECK.finding(
                ref.at("common_tls_context"),
                f"cluster `{cluster.name}` speaks TLS and verifies nobody (no validation context)",
                origin=origin_of(cluster.msg),
            )


CHECK = Check(
    code="ESM421",
    name="upstream-not-verified",
    severity="warning",
    title="TLS to an upstream that nobody verifies",
    fix="set validation_context with trusted_ca and the expected names",
    find=find,
)
