"""A circuit breaker that the present load nearly fills.

## What it finds
A cluster whose hosts, by the statistics of `/clusters` in the sources, have together at least 80 % of the
connections or requests in flight that its circuit breaker allows (1024 each where nothing sets them), or whose
hosts together exceed it.

## Why it matters
What does not fit is refused: 503 `UO`, `overflow`. The default of 1024 is easily met by long-lived streams and
slow backends.

## Example
`rq_active` of 900 and no `circuit_breakers`.

## When it is harmless
The dump was taken at the peak.

## Fix
Raise max_connections and max_requests of the cluster's circuit_breakers to what the traffic needs.

## Source
`source/common/upstream/resource_manager_impl.h`; the defaults in `source/common/upstream/upstream_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..load.hosts import active, is_clusters
from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .subject import ClusterItem, Subject, origin_of

DEFAULT = 1024
NEAR = 0.8
LIMITS = (("cx_active", "max_connections", "connections"), ("rq_active", "max_requests", "requests"))


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster and kind of limit."""
    documents = [d.root for d in subject.dump.documents if is_clusters(d.root)]
    for name, counted in (item for root in documents for item in active(root)):
        cluster = subject.clusters.get(name)
        if cluster is None:
            continue
        for gauge, field, words in LIMITS:
            limit, told = _limit(cluster, field)
            now = counted.get(gauge, 0)
            if limit and now >= NEAR * limit:
                yield CHECK.finding(
                    cluster.ref.at("circuit_breakers"),
                    f"cluster `{name}` has {now} {words} in flight ({gauge}), and its circuit breaker allows {limit} "
                    f"({field}{'' if told else ', the default'}): more are refused, 503 UO overflow",
                    origin=origin_of(cluster.msg),
                )


def _limit(cluster: ClusterItem, field: str) -> tuple[int, bool]:
    for threshold in cluster.msg.circuit_breakers.thresholds:
        if enum_name(threshold, "priority") == "DEFAULT" and threshold.HasField(field):
            return int(getattr(threshold, field).value), True
    return DEFAULT, False


CHECK = Check(
    code="ESM438",
    name="breaker-near-limit",
    severity="warning",
    title="Circuit breaker near its limit",
    fix="raise max_connections and max_requests of the cluster's circuit_breakers to what the traffic needs",
    find=find,
)
