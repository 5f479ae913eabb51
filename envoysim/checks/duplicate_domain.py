"""One domain in two virtual hosts.

## What it finds
A domain that stands in two virtual hosts of a route configuration (the case does not matter), or a second `*`.

## Why it matters
Envoy refuses the whole route configuration: `Only unique values for domains are permitted`. The old one stays.

## Example
Two VirtualServices for one host bound to one gateway by a control plane that does not merge them.

## When it is harmless
Never.

## Fix
Keep the domain in one virtual host and merge their routes.

## Source
`RouteMatcher::RouteMatcher` in `source/common/router/config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..match.string_matcher import ascii_lower
from ..model.finding import Finding, Related
from .base import Check
from .subject import HostItem, Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per repeated domain."""
    owners: dict[tuple[int, str], HostItem] = {}
    for host in subject.hosts:
        for i, domain in enumerate(host.msg.domains):
            other = owners.setdefault((id(host.table), ascii_lower(domain)), host)
            if other is not host:
                yield CHECK.finding(
                    host.ref.at("domains", i),
                    f"domain `{domain}` is in virtual hosts `{other.msg.name}` and `{host.msg.name}`: "
                    "Envoy rejects route "
                    f"configuration `{host.table.name}`",
                    related=(Related(other.ref.at("domains"), "the first owner"),),
                )


CHECK = Check(
    code="ESM309",
    name="duplicate-domain",
    severity="error",
    title="One domain in two virtual hosts",
    fix="keep the domain in one virtual host and merge their routes",
    find=find,
)
