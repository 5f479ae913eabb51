"""Virtual host without routes.

## What it finds
A virtual host with neither routes nor a matcher.

## Why it matters
It owns its domains: requests to them are answered 404 `NR route_not_found`, and no less specific virtual host is
asked.

## Example
A VirtualService with no http route left.

## When it is harmless
The domains are meant to be refused (Istio's blackhole).

## Fix
Give it routes, or delete it so that another virtual host takes its domains.

## Source
`VirtualHostImpl::getRouteFromEntries` in `source/common/router/config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject
from .witness import request_for


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per virtual host."""
    for host in subject.hosts:
        if not host.msg.routes and not host.msg.HasField("matcher"):
            yield CHECK.finding(
                host.ref.at("routes"),
                f"virtual host `{host.msg.name}` has no routes: its domains are answered 404 NR route_not_found",
                witness=request_for(host),
            )


CHECK = Check(
    code="ESM323",
    name="empty-virtual-host",
    severity="warning",
    title="Virtual host without routes",
    fix="give it routes, or delete it so that another virtual host takes its domains",
    find=find,
)
