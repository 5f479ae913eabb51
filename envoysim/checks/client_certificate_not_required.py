"""Client certificates that are checked, but not asked for.

## What it finds
A downstream TLS context with a validation context but without `require_client_certificate`.

## Why it matters
A client certificate is verified if one is sent; a client that sends none is let in as well.

## Example
`validation_context: {trusted_ca: ...}` alone.

## When it is harmless
A filter behind it tells clients with a certificate from those without (RBAC by principal, XFCC).

## Fix
Set require_client_certificate: true.

## Source
`source/common/tls/server_context_config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject
from .tls_walk import downstream_tls

VALIDATIONS = ("validation_context", "validation_context_sds_secret_config", "combined_validation_context")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per context."""
    for item in downstream_tls(subject):
        common = item.context.common_tls_context
        if any(common.HasField(v) for v in VALIDATIONS) and not item.context.require_client_certificate.value:
            yield CHECK.finding(
                item.ref.at("require_client_certificate"),
                f"listener `{item.chain.listener.name}` verifies client certificates but does not require one: clients "
                "without are let in",
            )


CHECK = Check(
    code="ESM212",
    name="client-certificate-not-required",
    severity="info",
    title="Client certificates that are checked, but not asked for",
    fix="set require_client_certificate: true",
    find=find,
)
