"""Certificate that was never delivered.

## What it finds
A filter chain whose certificate comes from a secret (SDS) that is still warming: asked for, and not delivered.

## Why it matters
The listener keeps warming, or its chain resets every connection: clients see a failed handshake, no HTTP answer.

## Example
`tls_certificate_sds_secret_configs: [{name: kubernetes://shop-cert}]` and a misspelt Secret.

## When it is harmless
The dump was taken within the first seconds.

## Fix
Deliver the secret over SDS (Istio: the credentialName's Secret in the gateway's namespace), or correct its name.

## Source
`source/common/secret/sds_api.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject
from .tls_walk import downstream_tls


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per certificate that a chain still waits for."""
    waiting = {r.name for r in subject.dump.all_resources if r.kind == "secret" and r.state == "warming"}
    waiting -= set(subject.dump.secrets)
    for item in downstream_tls(subject) if waiting else ():
        common = item.context.common_tls_context
        for i, secret in enumerate(common.tls_certificate_sds_secret_configs):
            if secret.name in waiting:
                yield CHECK.finding(
                    item.ref.at("common_tls_context", "tls_certificate_sds_secret_configs", i),
                    f"listener `{item.chain.listener.name}` needs certificate `{secret.name}`, which was not "
                    "delivered: TLS handshakes fail",
                )


CHECK = Check(
    code="ESM106",
    name="missing-secret",
    severity="error",
    title="Certificate that was never delivered",
    fix="deliver the secret over SDS (Istio: the credentialName's Secret in the gateway's namespace), or "
    "correct its name",
    find=find,
)
