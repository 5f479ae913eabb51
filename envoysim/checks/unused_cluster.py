"""Clusters that no route uses.

## What it finds
Clusters that no route, TCP proxy, aggregate or filter of this dump names. One finding for all of them.

## Why it matters
They cost memory, connections for health checks and time at every update.

## Example
A mesh that sends every service to every sidecar.

## When it is harmless
The clusters are used by a header (`cluster_header`), by code, or by routes still to come.

## Fix
Delete them, or limit what the control plane sends (Istio: Sidecar resource, exportTo).

## Source
`source/common/upstream/cluster_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import Msg
from .base import Check
from .cluster_walk import routed_clusters
from .subject import Subject

MOST_STRINGS = 2_000_000


def find(subject: Subject) -> Iterator[Finding]:
    """Yield one finding, where routes and listeners are known."""
    if not subject.listeners or not subject.tables:
        return
    if any(
        r.msg.route.WhichOneof("cluster_specifier") not in ("cluster", "weighted_clusters") for r in subject.forwards
    ):
        return  # chosen at run time
    used = set(routed_clusters(subject))
    for route in subject.forwards:
        used.update(p.cluster for p in route.msg.route.request_mirror_policies)
    rest = [c for c in subject.clusters.values() if c.name not in used]
    if not rest:
        return
    text = b"\0".join(
        [x.msg.SerializeToString() for x in subject.listeners]
        + [c.msg.cluster_type.SerializeToString() for c in subject.clusters.values() if c.msg.HasField("cluster_type")]
        + [r.message().SerializeToString() for r in subject.dump.extension_configs.values()]
        + ([_bootstrap(subject)] if subject.dump.bootstrap is not None else [])
    )
    if len(text) * len(rest) > MOST_STRINGS * 1000:
        return  # too many names to look for
    unused = [c for c in rest if c.name.encode() not in text]
    if unused:
        names = ", ".join(f"`{c.name}`" for c in unused[:3])
        yield CHECK.finding(
            unused[0].ref, f"{len(unused)} of {len(subject.clusters)} clusters are used by no route: {names}, ..."
        )


def _bootstrap(subject: Subject) -> bytes:
    resource = subject.dump.bootstrap
    assert resource is not None
    message = resource.message()
    own: Msg = type(message)()
    own.CopyFrom(message)
    own.ClearField("static_resources")
    return bytes(own.SerializeToString())


CHECK = Check(
    code="ESM427",
    name="unused-cluster",
    severity="info",
    title="Clusters that no route uses",
    fix="delete them, or limit what the control plane sends (Istio: Sidecar resource, exportTo)",
    find=find,
)
