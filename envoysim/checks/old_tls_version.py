"""TLS versions that are no longer safe.

## What it finds
A TLS context that allows TLS 1.0 or 1.1.

## Why it matters
Both are deprecated (RFC 8996) and known to be weak.

## Example
`tls_params: {tls_minimum_protocol_version: TLSv1_0}`.

## When it is harmless
Old clients must be served.

## Fix
Set tls_minimum_protocol_version to TLSv1_2 or above.

## Source
`source/common/tls/context_config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .subject import Subject
from .tls_walk import downstream_tls

OLD = ("TLSv1_0", "TLSv1_1")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per listener chain."""
    for item in downstream_tls(subject):
        params = item.context.common_tls_context.tls_params
        version = enum_name(params, "tls_minimum_protocol_version")
        if version in OLD:
            yield CHECK.finding(
                item.ref.at("common_tls_context", "tls_params", "tls_minimum_protocol_version"),
                f"listener `{item.chain.listener.name}` allows {version.replace('_', '.')}",
            )


CHECK = Check(
    code="ESM214",
    name="old-tls-version",
    severity="warning",
    title="TLS versions that are no longer safe",
    fix="set tls_minimum_protocol_version to TLSv1_2 or above",
    find=find,
)
