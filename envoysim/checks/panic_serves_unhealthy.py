"""Panic mode sends requests to unhealthy hosts.

## What it finds
A cluster whose hosts can be unhealthy (health checks, outlier detection or unhealthy endpoints now) and whose panic
threshold is the default of 50 %.

## Why it matters
When fewer than half of a priority's hosts are healthy, Envoy ignores health and balances over all of them: requests
go to hosts known to fail. With no healthy host at all they are still sent.

## Example
`health_checks` without `common_lb_config.healthy_panic_threshold`, two hosts, both failing: 200 or errors from dead
hosts, never 503 `UH`.

## When it is harmless
Answering from a possibly sick host is better than no answer, and the other hosts would be overrun.

## Fix
Set `common_lb_config.healthy_panic_threshold: {value: 0}`, or `zone_aware_lb_config.fail_traffic_on_panic: true`.

## Source
`LoadBalancerBase::isHostSetInPanic` in `source/extensions/load_balancing_policies/common/load_balancer_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .subject import ClusterItem, Subject

GOOD = ("UNKNOWN", "HEALTHY")
DEFAULT_PERCENT = 50


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per such cluster: a warning when it is in panic now."""
    for cluster in subject.clusters.values():
        common = cluster.msg.common_lb_config
        if common.HasField("healthy_panic_threshold") or common.zone_aware_lb_config.fail_traffic_on_panic:
            continue
        total, healthy = _count(subject, cluster)
        now = total > 0 and 100 * healthy < DEFAULT_PERCENT * total
        if not now and not (cluster.msg.health_checks or cluster.msg.HasField("outlier_detection")):
            continue
        state = f"{healthy} of {total} hosts are healthy now, so it is in panic" if now else f"{total} hosts"
        yield CHECK.finding(
            cluster.ref.at("common_lb_config", "healthy_panic_threshold"),
            f"cluster `{cluster.name}` keeps the default panic threshold of 50 %: below it requests go to "
            "unhealthy hosts too "
            f"({state})",
            severity="warning" if now else "info",
        )


def _count(subject: Subject, cluster: ClusterItem) -> tuple[int, int]:
    if cluster.assignment is None:
        return 0, 0
    total = healthy = 0
    for locality in cluster.assignment.endpoints:
        for entry in locality.lb_endpoints:
            socket = entry.endpoint.address.socket_address
            status = subject.dump.host_statuses.get((cluster.name, f"{socket.address}:{socket.port_value}"))
            failed = status is not None and (status.failed_active_health_check or status.failed_outlier_check)
            total += 1
            healthy += not failed and enum_name(entry, "health_status") in GOOD
    return total, healthy


CHECK = Check(
    code="ESM411",
    name="panic-serves-unhealthy",
    severity="info",
    title="Panic threshold left at 50 %",
    fix="set common_lb_config.healthy_panic_threshold to 0, or fail_traffic_on_panic, where no answer is better",
    find=find,
)
