"""LOGICAL_DNS cluster with more than one endpoint.

## What it finds
A LOGICAL_DNS cluster whose load assignment has not exactly one endpoint.

## Why it matters
Envoy refuses the cluster: `LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint`.

## Example
Two host names in a LOGICAL_DNS cluster.

## When it is harmless
Never.

## Fix
Use STRICT_DNS, or one endpoint.

## Source
`source/extensions/clusters/logical_dns/logical_dns_cluster.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    for cluster in subject.clusters.values():
        if enum_name(cluster.msg, "type") != "LOGICAL_DNS" or not cluster.msg.HasField("load_assignment"):
            continue
        count = sum(len(e.lb_endpoints) for e in cluster.msg.load_assignment.endpoints)
        if count != 1:
            yield CHECK.finding(
                cluster.ref.at("load_assignment"),
                f"LOGICAL_DNS cluster `{cluster.name}` has {count} endpoints and must have one: Envoy rejects it",
                origin=origin_of(cluster.msg),
            )


CHECK = Check(
    code="ESM417",
    name="logical-dns-with-many-endpoints",
    severity="error",
    title="LOGICAL_DNS cluster with more than one endpoint",
    fix="use STRICT_DNS, or one endpoint",
    find=find,
)
