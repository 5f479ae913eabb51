"""DENY by host that another spelling passes.

## What it finds
A DENY policy that compares `:authority` (or `host`) exactly, with its case or without a port.

## Why it matters
Host names have no case and may carry a port. `ADMIN.example.com` or `admin.example.com:443` is another text and
passes the policy, while routing takes it for the same host.

## Example
DENY `{name: ":authority", string_match: {exact: admin.example.com}}`.

## When it is harmless
The route table does not serve the other spellings.

## Fix
Compare in any case (ignore_case) and with every port (prefix), or strip the port on the connection manager.

## Source
`source/extensions/filters/common/rbac/matchers.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .rbac_walk import headers_of, policies_of, rbac_filters
from .subject import Subject
from .witness import witness


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per matcher."""
    for item, rules in rbac_filters(subject):
        if enum_name(rules, "action") != "DENY":
            continue
        for name, policy, ref in policies_of(item, rules):
            for header, place in headers_of(policy, ref):
                if header.name.lower() not in (":authority", "host") or header.invert_match:
                    continue
                text = header.string_match.exact or header.exact_match
                if text and not header.string_match.ignore_case:
                    yield CHECK.finding(
                        place,
                        f"DENY policy `{name}` compares the host with `{text}` exactly: `{text.swapcase()}` passes it",
                        witness=witness(item.manager, text.swapcase()),
                    )


CHECK = Check(
    code="ESM504",
    name="deny-host-by-spelling",
    severity="warning",
    title="DENY by host that another spelling passes",
    fix="compare in any case (ignore_case) and with every port (prefix), or strip the port on the connection manager",
    find=find,
)
