"""The upstream is asked by one name and verified by another.

## What it finds
An upstream TLS context whose `sni` is none of the DNS names that its validation asks for.

## Why it matters
The server presents the certificate of the name it was asked for. It does not carry the other name, and
verification fails: 503 `UF`, `CERTIFICATE_VERIFY_FAILED`.

## Example
`sni: api.example.com` and `match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: api.internal}}]`.

## When it is harmless
The certificate carries both names.

## Fix
Make sni and the expected subject alternative name (SAN) the same.

## Source
`source/common/tls/cert_validator/default_validator.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import enum_name
from .base import Check
from .subject import Subject, origin_of
from .tls_walk import upstream_tls


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster all of whose expected names are exact DNS names, none of them the server name."""
    for cluster, context, ref in upstream_tls(subject):
        common, sni = context.common_tls_context, context.sni.lower()
        for field, validation in (
            ("validation_context", common.validation_context),
            ("combined_validation_context", common.combined_validation_context.default_validation_context),
        ):
            names = validation.match_typed_subject_alt_names
            exact = [n.matcher.exact.lower() for n in names if enum_name(n, "san_type") == "DNS"]
            if not sni or not exact or len(exact) < len(names) or not all(exact) or sni in exact:
                continue
            place = ref.at("common_tls_context", field)
            if field != "validation_context":
                place = place.at("default_validation_context")
            yield CHECK.finding(
                place.at("match_typed_subject_alt_names"),
                f"cluster `{cluster.name}` asks for `{sni}` (SNI) but verifies the SAN "
                f"{', '.join(f'`{n}`' for n in exact)}: a certificate for the one fails the other, 503 UF",
                related=(Related(ref.at("sni"), "the server name"),),
                origin=origin_of(cluster.msg),
            )


CHECK = Check(
    code="ESM441",
    name="sni-against-verified-name",
    severity="warning",
    title="Server name against the verified name",
    fix="make sni and the expected subject alternative name (SAN) the same",
    find=find,
)
