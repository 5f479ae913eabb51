"""Resource that still waits for what it needs.

## What it finds
A listener or cluster that is only warming, with no active version.

## Why it matters
A warming listener takes no connections; a warming cluster is not found: 503 `NC cluster_not_found`. It becomes
active when its secrets (SDS), routes (RDS) or endpoints (EDS) have come.

## Example
A listener with an SDS certificate that the control plane never sends.

## When it is harmless
The dump was taken within the first seconds.

## Fix
Deliver what it waits for: the secret, the route configuration or the endpoints it names.

## Source
`source/common/upstream/cluster_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per resource that is warming and serves nothing."""
    served = {(r.kind, r.name) for r in subject.dump.all_resources if r.state in ("active", "static")}
    for resource in subject.dump.all_resources:
        if resource.state != "warming" or resource.kind == "secret":
            continue  # a secret that waits is told by ESM106, with who needs it
        if (resource.kind, resource.name) not in served:
            yield CHECK.finding(
                resource.ref,
                f"{resource.kind.replace('_', ' ')} `{resource.name}` is warming and does not serve: it waits for "
                "something it names (secret, routes, endpoints)",
            )


CHECK = Check(
    code="ESM102",
    name="warming-resource",
    severity="warning",
    title="Resource that still waits for what it needs",
    fix="deliver what it waits for: the secret, the route configuration or the endpoints it names",
    find=find,
)
