"""Certificate that is expired or not yet valid.

## What it finds
A certificate in the dump (inline or a secret) whose validity has ended or not begun, by this machine's clock.

## Why it matters
Clients refuse the handshake.

## Example
`notAfter` of yesterday.

## When it is harmless
The dump is an old one.

## Fix
Renew the certificate.

## Source
RFC 5280, 4.1.2.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ..model.finding import Finding
from .base import Check
from .subject import Subject
from .tls_walk import certificate_items, downstream_tls


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per certificate, once."""
    now = datetime.now(UTC)
    seen: set[str] = set()
    for item in downstream_tls(subject):
        for certificate, ref in certificate_items(subject, item):
            place = f"{ref.source}{ref}"
            if place in seen or certificate.not_before <= now <= certificate.not_after:
                continue
            seen.add(place)
            expired = now > certificate.not_after
            day = certificate.not_after if expired else certificate.not_before
            names = ", ".join(f"`{n}`" for n in certificate.names[:3]) or "nobody"
            what = "expired on" if expired else "is not valid before"
            yield CHECK.finding(ref, f"certificate for {names} {what} {day:%Y-%m-%d}: clients refuse it")


CHECK = Check(
    code="ESM205",
    name="certificate-not-valid-now",
    severity="error",
    title="Certificate that is expired or not yet valid",
    fix="renew the certificate",
    find=find,
)
