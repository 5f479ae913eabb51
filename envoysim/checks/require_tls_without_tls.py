"""Virtual host that requires TLS where none is served.

## What it finds
A virtual host with `require_tls: ALL` in a table that only plaintext listeners use, none of which trusts a load
balancer's `x-forwarded-proto`.

## Why it matters
Every request over plaintext is redirected to https, to which nobody here listens; behind a TLS load balancer whose
header is overwritten, that is a redirect loop.

## Example
`require_tls: ALL` behind an AWS load balancer with `use_remote_address: true`.

## When it is harmless
Another proxy serves https.

## Fix
Serve the virtual host from a TLS listener, or take require_tls off.

## Source
`VirtualHostImpl::getRouteFromEntries` in `source/common/router/config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .subject import Manager, Subject
from .tls_walk import downstream_tls
from .witness import request_for


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per virtual host."""
    for host in subject.hosts:
        managers = host.table.managers
        if enum_name(host.msg, "require_tls") != "ALL" or not managers:
            continue
        if any(m.chain.msg.HasField("transport_socket") or _trusts(m) for m in managers):
            continue
        usual = any(m.listener.msg.address.socket_address.port_value in (80, 8080) for m in managers)
        if usual and downstream_tls(subject):
            continue  # a redirect to the TLS listener beside it
        yield CHECK.finding(
            host.ref.at("require_tls"),
            f"virtual host `{host.msg.name}` requires TLS, but only plaintext listeners serve it and they take no "
            "x-forwarded-proto: every request is answered 301 to https, a redirect loop where TLS ends in front",
            witness=request_for(host),
        )


def _trusts(manager: Manager) -> bool:
    return not manager.msg.use_remote_address.value or manager.msg.xff_num_trusted_hops > 0


CHECK = Check(
    code="ESM327",
    name="require-tls-without-tls",
    severity="warning",
    title="Virtual host that requires TLS where none is served",
    fix="serve the virtual host from a TLS listener, or take require_tls off",
    find=find,
)
