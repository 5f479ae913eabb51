"""Outlier detection that may eject every host.

## What it finds
Outlier detection with `max_ejection_percent: 100` on a cluster whose panic threshold is 0.

## Why it matters
A fault that all hosts share (a broken dependency) ejects all of them: 503 `UH` for everybody until the ejection
time is over.

## Example
Istio: `maxEjectionPercent: 100` (with `minHealthPercent: 0`).

## When it is harmless
No answer is better than a wrong one.

## Fix
Lower max_ejection_percent, or leave the panic threshold above 0.

## Source
`source/common/upstream/outlier_detection_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster."""
    for cluster in subject.clusters.values():
        if not cluster.msg.HasField("outlier_detection"):
            continue
        common = cluster.msg.common_lb_config
        off = common.HasField("healthy_panic_threshold") and common.healthy_panic_threshold.value == 0
        if off and cluster.msg.outlier_detection.max_ejection_percent.value >= 100:
            yield CHECK.finding(
                cluster.ref.at("outlier_detection", "max_ejection_percent"),
                f"cluster `{cluster.name}` may eject all its hosts and has no panic mode: 503 UH for everybody",
                origin=origin_of(cluster.msg),
            )


CHECK = Check(
    code="ESM413",
    name="outlier-ejects-all",
    severity="info",
    title="Outlier detection that may eject every host",
    fix="lower max_ejection_percent, or leave the panic threshold above 0",
    find=find,
)
