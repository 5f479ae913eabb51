"""A CA or a client certificate that is expired or not yet valid.

## What it finds
The client certificate of a cluster, or all certificates of a `trusted_ca` (of a cluster or a filter chain),
inline in the dump, whose validity has ended or not begun, by this machine's clock.

## Why it matters
With an expired CA no certificate verifies: 503 `UF`, `CERTIFICATE_VERIFY_FAILED`, or clients that are refused.
With an expired client certificate the upstream refuses the handshake.

## Example
`notAfter` of the root CA was yesterday.

## When it is harmless
The dump is an old one.

## Fix
Renew the certificate, and distribute the new CA first.

## Source
RFC 5280, 4.1.2.5; `source/common/tls/cert_validator/default_validator.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ..model.finding import Finding
from ..model.ref import Ref
from ..schema import Msg
from .base import Check
from .certificate import Certificate
from .subject import Subject
from .tls_walk import certificates_of, downstream_tls, upstream_tls


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per certificate chain or bundle."""
    now = datetime.now(UTC)
    for what, source, ref in _sources(subject):
        found = list(certificates_of(source))
        if found and not any(_valid(certificate, now) for certificate in found):
            last = max(certificate.not_after for certificate in found)
            state = f"expired on {last:%Y-%m-%d}" if last < now else f"is valid until {last:%Y-%m-%d}, but not now"
            yield CHECK.finding(ref, f"{what} {state}: TLS handshakes fail, CERTIFICATE_VERIFY_FAILED")


def _valid(certificate: Certificate, now: datetime) -> bool:
    return certificate.not_before <= now <= certificate.not_after


def _sources(subject: Subject) -> Iterator[tuple[str, Msg, Ref]]:
    """Yield what it is, the data source and its place."""
    for cluster, context, ref in upstream_tls(subject):
        place = ref.at("common_tls_context")
        for i, own in enumerate(context.common_tls_context.tls_certificates):
            where = place.at("tls_certificates", i, "certificate_chain")
            yield f"client certificate of cluster `{cluster.name}`", own.certificate_chain, where
        yield from _authority(f"cluster `{cluster.name}`", context.common_tls_context, place)
    for item in downstream_tls(subject):
        place = item.ref.at("common_tls_context")
        yield from _authority(f"listener `{item.chain.listener.name}`", item.context.common_tls_context, place)


def _authority(who: str, common: Msg, ref: Ref) -> Iterator[tuple[str, Msg, Ref]]:
    combined = common.combined_validation_context.default_validation_context
    for validation, place in (
        (common.validation_context, ref.at("validation_context")),
        (combined, ref.at("combined_validation_context", "default_validation_context")),
    ):
        if validation.HasField("trusted_ca"):
            yield f"trusted_ca of {who}", validation.trusted_ca, place.at("trusted_ca")


CHECK = Check(
    code="ESM444",
    name="trust-not-valid-now",
    severity="error",
    title="CA or client certificate that is not valid now",
    fix="renew the certificate, and distribute the new CA first",
    find=find,
)
