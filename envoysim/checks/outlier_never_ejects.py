"""Outlier detection that can never eject a host.

## What it finds
A cluster with outlier detection and so few hosts that ejecting one would exceed `max_ejection_percent` (10 % where
it is not set).

## Why it matters
Ejection is allowed only while (ejected + 1) / hosts stays within the limit. With the default no cluster of fewer
than ten hosts ever ejects anything; a failing host keeps its share of the requests.

## Example
`outlier_detection: {consecutive_5xx: 3}` with 3 hosts.

## When it is harmless
The cluster usually has more hosts than now.

## Fix
Raise max_ejection_percent, or set always_eject_one_host.

## Source
`DetectorImpl::ejectHost` in `source/common/upstream/outlier_detection_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .endpoint_walk import endpoints_of
from .subject import Subject, origin_of

DEFAULT_PERCENT = 10


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    for cluster in subject.clusters.values():
        if not cluster.msg.HasField("outlier_detection"):
            continue
        detection = cluster.msg.outlier_detection
        if detection.always_eject_one_host.value:
            continue
        percent = (
            detection.max_ejection_percent.value if detection.HasField("max_ejection_percent") else DEFAULT_PERCENT
        )
        hosts = sum(1 for _ in endpoints_of(cluster))
        if hosts > 1 and percent * hosts < 100:
            yield CHECK.finding(
                cluster.ref.at("outlier_detection", "max_ejection_percent"),
                f"outlier detection of cluster `{cluster.name}` never ejects: one of {hosts} hosts is more than "
                f"{percent} % (max_ejection_percent)",
                origin=origin_of(cluster.msg),
                fold=f"{percent} %",
            )


CHECK = Check(
    code="ESM412",
    name="outlier-never-ejects",
    severity="warning",
    title="Outlier detection that can never eject a host",
    fix="raise max_ejection_percent, or set always_eject_one_host",
    find=find,
)
