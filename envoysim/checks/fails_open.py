"""Authorization that lets everybody in when its service fails.

## What it finds
An external authorization filter with `failure_mode_allow: true`.

## Why it matters
When the service is down, slow or unreachable, every request is allowed.

## Example
`failure_mode_allow: true`.

## When it is harmless
Availability counts more than the check.

## Fix
Set failure_mode_allow: false.

## Source
`source/extensions/filters/http/ext_authz/ext_authz.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject

AUTHZ = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per filter."""
    for item in subject.http_filters:
        if item.type_name == AUTHZ and item.config is not None and item.config.failure_mode_allow:
            yield CHECK.finding(
                item.ref.at("failure_mode_allow"),
                f"filter `{item.name}` of listener `{item.manager.listener.name}` allows every "
                "request when its service "
                "fails",
            )


CHECK = Check(
    code="ESM512",
    name="fails-open",
    severity="info",
    title="Authorization that lets everybody in when its service fails",
    fix="set failure_mode_allow: false",
    find=find,
)
