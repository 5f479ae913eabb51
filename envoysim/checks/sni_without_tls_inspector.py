"""Server names that are never read.

## What it finds
A filter chain that asks for `server_names` or `transport_protocol: tls` on a listener without the TLS inspector.

## Why it matters
Without the inspector Envoy does not read the TLS hello before it chooses a chain: there is no server name and the
transport is `raw_buffer`. Such chains never match; connections end with flag `NR`, `filter_chain_not_found`, or go
to another chain.

## Example
`filter_chain_match: {server_names: [shop.example]}` and no listener filter.

## When it is harmless
The server name comes from elsewhere. Nothing is reported for QUIC, nor where a listener filter stands that is not
Envoy's own: a dynamic module may set it.

## Fix
Add the listener filter envoy.filters.listener.tls_inspector.

## Source
`ActiveTcpListener` in `source/common/listener_manager`,
`source/common/listener_manager/filter_chain_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import Msg, any_type
from .base import Check
from .subject import Subject

LISTENER_FILTER = "envoy.extensions.filters.listener."
READ_NO_HELLO = ("http_inspector", "local_ratelimit", "original_dst", "original_src", "proxy_protocol")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per chain that waits for what nobody reads."""
    for chain in subject.chains:
        match, listener = chain.msg.filter_chain_match, chain.listener
        if not match.server_names and match.transport_protocol != "tls":
            continue
        if listener.msg.HasField("udp_listener_config") or _inspected(listener.msg):
            continue
        field = "server_names" if match.server_names else "transport_protocol"
        yield CHECK.finding(
            chain.ref.at("filter_chain_match", field),
            f"filter chain of listener `{listener.name}` asks for {field.replace('_', ' ')}, but no "
            "TLS inspector reads "
            "the hello: it never matches",
            related=(Related(listener.ref.at("listener_filters"), "no tls_inspector here"),),
        )


def _inspected(listener: Msg) -> bool:
    filters = listener.listener_filters
    silent = [LISTENER_FILTER + name + ".v3." for name in READ_NO_HELLO]
    return any(
        f.WhichOneof("config_type") != "typed_config" or not any_type(f.typed_config).startswith(tuple(silent))
        for f in filters
    )


CHECK = Check(
    code="ESM202",
    name="sni-without-tls-inspector",
    severity="error",
    title="Server names that are never read",
    fix="add the listener filter envoy.filters.listener.tls_inspector",
    find=find,
)
