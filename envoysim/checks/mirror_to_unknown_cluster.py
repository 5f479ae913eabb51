"""Mirror to a cluster that does not exist.

## What it finds
A `request_mirror_policies` entry whose cluster is not in the dump.

## Why it matters
The mirrored request is dropped without a trace: no error, no log line.

## Example
`request_mirror_policies: [{cluster: shadow-v2}]`.

## When it is harmless
The cluster is about to be delivered.

## Fix
Correct the name, or deliver the cluster.

## Source
`source/common/router/shadow_writer_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of
from .witness import route_request


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per policy."""
    if not subject.clusters:
        return
    for route in subject.forwards:
        for i, policy in enumerate(route.msg.route.request_mirror_policies):
            if policy.cluster and policy.cluster not in subject.dump.clusters:
                yield CHECK.finding(
                    route.ref.at("route", "request_mirror_policies", i, "cluster"),
                    f"route `{route.label}` mirrors to cluster `{policy.cluster}`, which does not "
                    "exist: the copies are "
                    "dropped silently",
                    witness=route_request(route),
                    origin=origin_of(route.msg),
                )


CHECK = Check(
    code="ESM319",
    name="mirror-to-unknown-cluster",
    severity="warning",
    title="Mirror to a cluster that does not exist",
    fix="correct the name, or deliver the cluster",
    find=find,
)
