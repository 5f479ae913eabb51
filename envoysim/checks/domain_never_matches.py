"""Domain that no Host header equals.

## What it finds
A virtual host domain with a scheme, a path, a blank, or a `*` in its middle.

## Why it matters
Domains are compared with the Host header, which has none of these; a `*` that is not the first or last character is
an ordinary character.

## Example
`domains: ["https://shop.example"]` or `domains: ["api.*.example.com"]`.

## When it is harmless
The virtual host is meant to be out of use, or it has the domain once more without the port (`api.*` beside
`api.*:8080`, as Consul writes it): that one takes the hosts with every port, and the finding is an info.

## Fix
Write the bare host name, with a wildcard only as the first or last character.

## Source
`RouteMatcher::RouteMatcher` in `source/common/router/config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject

IMPOSSIBLE = ("/", " ", "?", "#", "@")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per domain."""
    for host in subject.hosts:
        if host.table.msg.vhost_header:
            continue  # another header is compared, which may hold anything
        for i, domain in enumerate(host.msg.domains):
            inner = "*" in domain[1:-1] or (len(domain) > 1 and domain[0] == domain[-1] == "*")
            bad = next((c for c in IMPOSSIBLE if c in domain), "*" if inner else None)
            if bad is not None:
                wide = domain.rpartition(":")[0]
                covered = wide.endswith("*") and wide in host.msg.domains
                end = f"; `{wide}` takes its hosts, with any port" if covered else ""
                yield CHECK.finding(
                    host.ref.at("domains", i),
                    f"domain `{domain}` of virtual host `{host.msg.name}` is no client's Host header: `{bad}` is not "
                    f"part of one{end}",
                    severity="info" if covered else None,
                )


CHECK = Check(
    code="ESM320",
    name="domain-never-matches",
    severity="error",
    title="Domain that no Host header equals",
    fix="write the bare host name, with a wildcard only as the first or last character",
    find=find,
)
