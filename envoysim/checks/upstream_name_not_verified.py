"""TLS to an upstream whose name nobody compares.

## What it finds
An upstream TLS context with a `trusted_ca` but without `match_typed_subject_alt_names` (or `auto_san_validation`,
SPIFFE validation).

## Why it matters
The certificate must be signed by the CA, but may be anybody's: with a public CA bundle, whoever has any
certificate is believed.

## Example
`validation_context: {trusted_ca: {filename: /etc/ssl/certs/ca-certificates.crt}}` and `sni` alone.

## When it is harmless
The CA signs certificates of this one service only.

## Fix
Set match_typed_subject_alt_names to the upstream's name, or auto_sni_san_validation.

## Source
`source/common/tls/cert_validator/default_validator.cc`.
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
        common = context.common_tls_context
        for field, validation in (
            ("validation_context", common.validation_context),
            ("combined_validation_context", common.combined_validation_context.default_validation_context),
        ):
            names = validation.match_typed_subject_alt_names or validation.match_subject_alt_names
            pinned = validation.verify_certificate_spki or validation.verify_certificate_hash
            options = http_options(cluster)
            auto = options is not None and options.upstream_http_protocol_options.auto_san_validation
            auto = auto or cluster.msg.upstream_http_protocol_options.auto_san_validation
            if not validation.HasField("trusted_ca") or names or pinned or auto:
                continue
            if context.auto_sni_san_validation or validation.HasField("custom_validator_config"):
                continue
            yield CHECK.finding(
                ref.at("common_tls_context", field),
                f"cluster `{cluster.name}` verifies the upstream's certificate by its CA alone, not by its name "
                "(no match_typed_subject_alt_names): any certificate of that CA is believed",
                origin=origin_of(cluster.msg),
                fold="name not verified",
            )


CHECK = Check(
    code="ESM436",
    name="upstream-name-not-verified",
    severity="info",
    title="TLS to an upstream whose name is not verified",
    fix="set match_typed_subject_alt_names to the upstream's name, or auto_sni_san_validation",
    find=find,
)
