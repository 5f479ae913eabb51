"""HTTP/1.0 accepted in the wrong place.

## What it finds
`accept_http_10` on a cluster, and no connection manager that has it.

## Why it matters
The field is read where requests come in: in `http_protocol_options` of the connection manager. On a cluster it does
nothing, and HTTP/1.0 requests (old load balancers' health checks, nginx without `proxy_http_version 1.1`) end as
426 Upgrade Required, details `low_version`.

## Example
`http_protocol_options: {accept_http_10: true}` on the cluster.

## When it is harmless
No client speaks HTTP/1.0.

## Fix
Set http_protocol_options.accept_http_10 on the connection manager.

## Source
`ConnectionManagerImpl::ActiveStream::decodeHeaders` in `source/common/http/conn_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .cluster_walk import OPTIONS, http_options
from .subject import Subject, origin_of

EXPLICIT = ("explicit_http_config", "http_protocol_options")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    managers = subject.managers
    if not managers or any(m.msg.http_protocol_options.accept_http_10 for m in managers):
        return
    for cluster in subject.clusters.values():
        options = http_options(cluster)
        place = None
        if cluster.msg.http_protocol_options.accept_http_10:
            place = cluster.ref.at("http_protocol_options")
        elif options is not None and options.explicit_http_config.http_protocol_options.accept_http_10:
            place = cluster.ref.at("typed_extension_protocol_options", OPTIONS, *EXPLICIT)
        if place is not None:
            yield CHECK.finding(
                place,
                f"cluster `{cluster.name}` has accept_http_10, which is read on connection managers only "
                "(http_protocol_options): HTTP/1.0 requests are refused, 426 Upgrade Required",
                related=(Related(managers[0].ref.at("http_protocol_options"), "where it is read"),),
                origin=origin_of(cluster.msg),
            )


CHECK = Check(
    code="ESM445",
    name="http10-for-upstream",
    severity="warning",
    title="HTTP/1.0 accepted in the wrong place",
    fix="set http_protocol_options.accept_http_10 on the connection manager",
    find=find,
)
