"""Connection manager that speaks another protocol than TLS agreed on.

## What it finds
A connection manager with a fixed `codec_type` behind a TLS context that offers (ALPN) the other HTTP version.

## Why it matters
Client and server agree on a protocol in the handshake and the connection manager then reads another: clients see a
protocol error.

## Example
`codec_type: HTTP1` with `alpn_protocols: [h2, http/1.1]`.

## When it is harmless
Never.

## Fix
Use codec_type AUTO, or offer only the protocol the codec speaks.

## Source
`source/extensions/filters/network/http_connection_manager/config.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import enum_name
from .base import Check
from .subject import Subject
from .tls_walk import downstream_tls

WRONG = {"HTTP1": "h2", "HTTP2": "http/1.1"}


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per contradiction."""
    contexts = {id(item.chain): item for item in downstream_tls(subject)}
    for manager in subject.managers:
        item, codec = contexts.get(id(manager.chain)), enum_name(manager.msg, "codec_type")
        if item is None or codec not in WRONG:
            continue
        offered = list(item.context.common_tls_context.alpn_protocols)
        if WRONG[codec] in offered:
            yield CHECK.finding(
                manager.ref.at("codec_type"),
                f"listener `{manager.listener.name}` speaks {codec} only, but TLS offers "
                f"`{WRONG[codec]}`: clients that "
                "choose it get a protocol error",
                related=(Related(item.ref.at("common_tls_context", "alpn_protocols"), "what TLS offers"),),
            )


CHECK = Check(
    code="ESM211",
    name="codec-against-alpn",
    severity="error",
    title="Connection manager that speaks another protocol than TLS agreed on",
    fix="use codec_type AUTO, or offer only the protocol the codec speaks",
    find=find,
)
