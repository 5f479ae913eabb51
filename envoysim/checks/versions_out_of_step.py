"""An update that got stuck behind the version that serves.

## What it finds
A listener or cluster that serves in one `version_info` while another version of it is still warming.

## Why it matters
Requests are answered by the old version, while the control plane counts the new one as sent. The new one waits
for something that never comes: a secret (SDS), routes (RDS), endpoints (EDS) or an initial health check.

## Example
`active_state: {version_info: "41"}` beside `warming_state: {version_info: "42"}`.

## When it is harmless
The dump was taken while an update was under way.

## Fix
Deliver what the newer version waits for: the secret, the route configuration or the endpoints it names.

## Source
`source/common/listener_manager/listener_manager_impl.cc`, `source/common/upstream/cluster_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per resource that serves in one version and warms in another."""
    dump = subject.dump
    waiting = [r for r in dump.all_resources if r.state == "warming" and r.kind in ("listener", "cluster")]
    named = {r.name: r for r in dump.listeners} if waiting else {}
    for resource in waiting:
        serving = named.get(resource.name) if resource.kind == "listener" else dump.clusters.get(resource.name)
        if serving is None or serving.state != "active":
            continue
        old = serving.version
        versions = f" (version `{old}`, the newer is `{resource.version}`)" if old and resource.version else ""
        yield CHECK.finding(
            resource.ref,
            f"{resource.kind} `{resource.name}` has an update that is still warming: the old one serves{versions}",
        )


CHECK = Check(
    code="ESM108",
    name="versions-out-of-step",
    severity="info",
    title="Older version serves while a newer one waits",
    fix="deliver what the newer version waits for: the secret, the route configuration or the endpoints it names",
    find=find,
)
