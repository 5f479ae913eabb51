"""Client certificates that nobody verifies.

## What it finds
`require_client_certificate: true` without any validation context.

## Why it matters
Every certificate is taken, self-signed ones too. It proves nothing.

## Example
`require_client_certificate: true` and no `trusted_ca`.

## When it is harmless
Something else pins the certificates.

## Fix
Give the context a validation context with trusted_ca.

## Source
`source/common/tls/cert_validator/default_validator.cc`.
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
        if item.context.require_client_certificate.value and not any(common.HasField(v) for v in VALIDATIONS):
            yield CHECK.finding(
                item.ref.at("common_tls_context"),
                f"listener `{item.chain.listener.name}` requires a client certificate and trusts any (no validation "
                "context)",
            )


CHECK = Check(
    code="ESM213",
    name="any-client-certificate",
    severity="warning",
    title="Client certificates that nobody verifies",
    fix="give the context a validation context with trusted_ca",
    find=find,
)
