"""Update that the proxy rejected.

## What it finds
A resource with an `error_state`: the newest update was rejected (NACK).

## Why it matters
The proxy goes on with the configuration it had before, or without the resource at all. What the control plane
believes to be live is not.

## Example
`error_state: {details: "error adding listener '0.0.0.0:8080': has duplicate address"}`.

## When it is harmless
The update has been corrected since and the dump is old.

## Fix
Correct what the error details name; the control plane's log has the same NACK.

## Source
`envoy.admin.v3.UpdateFailureState`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per rejected resource."""
    served = {(r.kind, r.name) for r in subject.dump.all_resources if r.state in ("active", "static")}
    for resource in subject.dump.all_resources:
        if resource.state == "error":
            rest = "an older version serves" if (resource.kind, resource.name) in served else "nothing serves instead"
            yield CHECK.finding(
                resource.ref,
                f"update of {resource.kind.replace('_', ' ')} `{resource.name}` was rejected, {rest}: "
                f"{resource.problem or 'no details'}",
            )


CHECK = Check(
    code="ESM101",
    name="rejected-update",
    severity="error",
    title="Update that the proxy rejected",
    fix="correct what the error details name; the control plane's log has the same NACK",
    find=find,
)
