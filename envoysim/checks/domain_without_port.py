"""A virtual host's domains miss the Host header that carries a port.

## What it finds
A virtual host whose domains name a host without a port, in a table where nothing strips or ignores the port, and no
domain takes the same host with one.

## Why it matters
Envoy compares the whole Host (`:authority`) header with the domains. A client that calls
`http://shop.example:8080/` sends `Host: shop.example:8080`, which `shop.example` does not match: 404 `NR
route_not_found`, or another virtual host.

## Example
`domains: [shop.example]` on a listener that is not on port 80.

## When it is harmless
All clients use the scheme's own port (80 or 443) and send none.

## Fix
Add `shop.example:*` to the domains, or set `ignore_port_in_host_matching` on the route configuration (or
`strip_any_host_port` on the connection manager).

## Source
`RouteMatcher::findVirtualHost` in `source/common/router/config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import HostItem, Subject
from .witness import destination_of, request_for


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per virtual host that a port would miss."""
    known: dict[int, tuple[set[str], bool]] = {}
    for host in subject.hosts:
        if host.table.msg.ignore_port_in_host_matching or not host.table.managers or _strips(host):
            continue
        table = host.table
        if id(table) not in known:
            taken = {domain for other in table.hosts for domain in other.message().domains}
            wild = any("*" in d and d.endswith("*") for d in taken)
            known[id(table)] = {d.rpartition(":")[0] for d in taken if ":" in d}, wild
        with_port, wild = known[id(table)]
        bare = [d for d in host.msg.domains if d[-1:] != "*" and ":" not in d and d not in with_port]
        if not bare:
            continue
        name = bare[0].replace("*", "any")
        port = _port(host)
        serious = port not in (80, 443) and not wild
        yield CHECK.finding(
            host.ref.at("domains"),
            f"virtual host `{host.msg.name}`: domain `{bare[0]}` does not match a Host (authority) header with a port, "
            f"such as `{name}:{port or 8080}`: 404 NR route_not_found or another virtual host",
            witness=request_for(host, authority=f"{name}:{port or 8080}"),
            severity="warning" if serious else "info",
        )


def _strips(host: HostItem) -> bool:
    return all(m.msg.strip_any_host_port or m.msg.strip_matching_host_port for m in host.table.managers)


def _port(host: HostItem) -> int:
    destination = destination_of(host.table.managers[0].listener)
    return int(destination.rpartition(":")[2]) if destination else 0


CHECK = Check(
    code="ESM302",
    name="domain-without-port",
    severity="warning",
    title="Domains that miss a Host header with a port",
    fix="add `NAME:*` to the domains, or set ignore_port_in_host_matching on the route configuration",
    find=find,
)
