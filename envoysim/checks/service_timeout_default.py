"""Short default timeout of a filter's service.

## What it finds
An `ext_authz`, `ext_proc` or `ratelimit` filter whose timeout is not set.

## Why it matters
The defaults are short: 200 ms for authorization and for each message of an external processor, 20 ms for a rate limit
service. A slower answer counts as a failure of the service: requests are refused, or pass unchecked.

## Example
`grpc_service: {envoy_grpc: {cluster_name: authz}}` and an authorization service that asks a database.

## When it is harmless
The service always answers in time.

## Fix
Set the timeout: grpc_service.timeout (ext_authz), message_timeout (ext_proc), timeout (ratelimit).

## Source
`source/extensions/filters/http/ext_authz/config.cc`, `source/extensions/filters/http/ratelimit/config.cc`,
`source/extensions/filters/http/ext_proc/config.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..model.finding import Finding
from ..model.ref import Ref
from .base import Check
from .filter_cluster_missing import end_of
from .subject import FilterItem, Subject

HTTP: Final = "envoy.extensions.filters.http."
AUTHZ: Final = HTTP + "ext_authz.v3.ExtAuthz"
LIMIT: Final = HTTP + "ratelimit.v3.RateLimit"
PROCESSOR: Final = HTTP + "ext_proc.v3.ExternalProcessor"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per filter."""
    for item in subject.http_filters:
        place, milliseconds, failure = _default(item)
        if place is not None:
            yield CHECK.finding(
                place,
                f"filter `{item.name}` of listener `{item.manager.listener.name}` sets no timeout: its service has "
                f"{milliseconds} ms to answer (the default), and where it takes longer: {failure}",
                fold=item.name,
            )


def _default(item: FilterItem) -> tuple[Ref | None, int, str]:
    """Place of a timeout that is not set, the default and what its passing leads to."""
    config = item.config
    if config is None:
        return None, 0, ""
    if item.type_name == AUTHZ and config.HasField("grpc_service") and not config.grpc_service.HasField("timeout"):
        return item.ref.at("grpc_service", "timeout"), 200, end_of(config, item.type_name)
    if item.type_name == LIMIT and not config.HasField("timeout"):
        return item.ref.at("timeout"), 20, end_of(config, item.type_name)
    if item.type_name == PROCESSOR and config.HasField("grpc_service") and not config.HasField("message_timeout"):
        passes = "requests pass without it" if config.failure_mode_allow else "504 ext_proc_error"
        return item.ref.at("message_timeout"), 200, passes
    return None, 0, ""


CHECK = Check(
    code="ESM529",
    name="service-timeout-default",
    severity="info",
    title="Short default timeout of a filter's service",
    fix="set the timeout: grpc_service.timeout (ext_authz), message_timeout (ext_proc), timeout (ratelimit)",
    find=find,
)
