"""A name is looked up for IPv6 first.

## What it finds
A cluster of type STRICT_DNS or LOGICAL_DNS whose `dns_lookup_family` is not set (AUTO) and whose endpoints are
names.

## Why it matters
AUTO asks for IPv6 (AAAA) and takes IPv4 only if there is no such record. In a network without IPv6 every
connection to a name with both fails: 503 `UF`, `Network is unreachable`.

## Example
`address: api.example.com` and no `dns_lookup_family`.

## When it is harmless
The names have no AAAA record, or IPv6 works.

## Fix
Set dns_lookup_family: V4_PREFERRED, V4_ONLY or ALL.

## Source
`source/extensions/network/dns_resolver/cares/dns_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..match.cidr_range import parse_ip
from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .endpoint_walk import endpoints_of
from .subject import Subject, origin_of

DNS = ("STRICT_DNS", "LOGICAL_DNS")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    for cluster in subject.clusters.values():
        if cluster.msg.HasField("cluster_type") or enum_name(cluster.msg, "type") not in DNS:
            continue
        if enum_name(cluster.msg, "dns_lookup_family") != "AUTO":
            continue
        names = [e.msg.endpoint.address.socket_address.address for e in endpoints_of(cluster)]
        name = next((n for n in names if n and n != "localhost" and parse_ip(n) is None), None)
        if name is not None:
            yield CHECK.finding(
                cluster.ref.at("dns_lookup_family"),
                f"cluster `{cluster.name}` looks `{name}` up for IPv6 (AAAA) first (dns_lookup_family AUTO): without "
                "IPv6 connectivity connections fail, 503 UF",
                origin=origin_of(cluster.msg),
                fold="AUTO",
            )


CHECK = Check(
    code="ESM437",
    name="dns-family-auto",
    severity="info",
    title="IPv6 addresses are preferred",
    fix="set dns_lookup_family: V4_PREFERRED, V4_ONLY or ALL",
    find=find,
)
