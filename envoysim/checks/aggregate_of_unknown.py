"""Aggregate cluster with a member that does not exist.

## What it finds
An aggregate cluster that lists a cluster which is not in the dump.

## Why it matters
The member is skipped. Where it was the only one left, requests end as 503 `UH`.

## Example
`clusters: [primary, secondery]`.

## When it is harmless
The member is about to be delivered.

## Fix
Correct the member's name, or deliver the cluster.

## Source
`source/extensions/clusters/aggregate/cluster.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import Msg, any_type, unpack
from .base import Check
from .subject import Subject

AGGREGATE = "envoy.extensions.clusters.aggregate.v3.ClusterConfig"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per missing member."""
    for cluster in subject.clusters.values():
        if not cluster.msg.HasField("cluster_type"):
            continue
        config = cluster.msg.cluster_type.typed_config
        if any_type(config) != AGGREGATE:
            continue
        members: Msg = unpack(config)
        for i, name in enumerate(members.clusters):
            if name not in subject.dump.clusters:
                yield CHECK.finding(
                    cluster.ref.at("cluster_type", "typed_config", "clusters", i),
                    f"aggregate cluster `{cluster.name}` lists `{name}`, which does not exist: it is skipped",
                )


CHECK = Check(
    code="ESM419",
    name="aggregate-of-unknown",
    severity="warning",
    title="Aggregate cluster with a member that does not exist",
    fix="correct the member's name, or deliver the cluster",
    find=find,
)
