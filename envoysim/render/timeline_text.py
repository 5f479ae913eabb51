"""A timeline as a person reads it, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from ..model.timeline import ClusterTotals, Latency, Moment, Timeline, Totals
from .text import Style, plain

MAX_ENDPOINTS = 20
MAX_MOMENTS = 40
"""Shown as text; JSON and the plot have them all."""


def timeline_text(timeline: Timeline, style: Style = plain) -> str:
    """Say what came of a scenario: totals, clusters with endpoints, moments."""
    lines = [style("strong", _headline(timeline)), ""]
    lines += _table("stream", timeline.streams, style) if len(timeline.streams) > 1 else []
    lines += _table("route", timeline.routes, style)
    lines += _table("cluster", [cluster.totals for cluster in timeline.clusters], style)
    lines += _clusters(timeline.clusters)
    for cluster in timeline.clusters:
        lines += _endpoints(cluster)
    lines += _moments(timeline.moments, timeline.moments_left_out, style)
    lines += [f"note: {note}" for note in timeline.notes]
    return "\n".join(lines).rstrip("\n") + "\n"


def _headline(timeline: Timeline) -> str:
    span = f"{timeline.duration_ms / 1000:g} s"
    if timeline.interrupted:
        span = f"interrupted at {timeline.simulated_ms / 1000:.1f} s of {span}"
    ok = sum(totals.ok for totals in timeline.streams)
    share = f", {percent(ok / timeline.requests)} ok" if timeline.requests else ""
    return f"{timeline.title}: {span}, {timeline.requests:,} requests{share}, seed {timeline.seed}"


def percent(share: float) -> str:
    """Write a share; what is not quite all never reads 100 %."""
    text = f"{share * 100:.2f} %"
    return "99.99 %" if text == "100.00 %" and share < 1 else text


def _ms(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _latency(latency: Latency) -> list[str]:
    return [_ms(v) for v in (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.max_ms)]


def _counts(counts: Iterable[tuple[str, int]]) -> str:
    return " ".join(f"{word}:{count}" for word, count in counts) or "-"


def _table(word: str, rows: Sequence[Totals], style: Style) -> list[str]:
    head = [word, "requests", "ok", "p50 ms", "p90", "p99", "max", "attempts/rq", "answers", "flags"]
    cells = [
        [
            row.name,
            f"{row.requests:,}",
            percent(row.success_rate),
            *_latency(row.latency),
            f"{row.amplification:.3f}",
            _counts(row.statuses.items()),
            _counts(row.flags.items()),
        ]
        for row in sorted(rows, key=lambda row: -row.requests)
    ]
    return [*aligned([head, *cells], left={0, 8, 9}, style=style), ""]


def _clusters(clusters: Sequence[ClusterTotals]) -> list[str]:
    head = ["cluster", "attempts", "retries", "timeouts", "overflows", "ejections", "panics", "in panic"]
    cells = [
        [
            cluster.totals.name,
            f"{sum(e.attempts for e in cluster.endpoints) or cluster.totals.attempts:,}",
            f"{cluster.retries:,}",
            f"{cluster.timeouts:,}",
            f"{cluster.overflows:,}",
            f"{cluster.ejections:,}",
            f"{cluster.panics:,}",
            f"{cluster.panic_ms / 1000:.1f} s",
        ]
        for cluster in clusters
    ]
    return [*aligned([head, *cells], left={0}), ""] if cells else []


def _endpoints(cluster: ClusterTotals) -> list[str]:
    if not cluster.endpoints:
        return []
    shown = sorted(cluster.endpoints, key=lambda e: (-e.ejections, -e.attempts))[:MAX_ENDPOINTS]
    shown = [e for e in cluster.endpoints if e in shown]
    head = [f"endpoints of {cluster.totals.name}", "attempts", "share", "failed", "ejections", "ejected for"]
    cells = [
        [
            endpoint.endpoint,
            f"{endpoint.attempts:,}",
            percent(endpoint.share),
            f"{endpoint.failures:,}",
            f"{endpoint.ejections}",
            f"{endpoint.ejected_ms / 1000:.1f} s",
        ]
        for endpoint in shown
    ]
    lines = aligned([head, *cells], left={0})
    if len(cluster.endpoints) > len(shown):
        lines.append(f"  and {len(cluster.endpoints) - len(shown)} more")
    return [*lines, ""]


def _moments(moments: Sequence[Moment], left_out: int, style: Style) -> list[str]:
    if not moments:
        return []
    shown = moments[:MAX_MOMENTS]
    lines = [style("strong", "moments")]
    lines += [f"  {moment_text(moment)}" for moment in shown]
    more = len(moments) - len(shown) + left_out
    if more:
        lines.append(f"  and {more} more (-o json has {len(moments)})")
    return [*lines, ""]


def moment_text(moment: Moment) -> str:
    """Say when something changed, where and why."""
    where = f"[{moment.cluster}] " if moment.cluster else ""
    again = f" (x{moment.times} until {moment.last_ms / 1000:.1f} s)" if moment.times > 1 else ""
    return f"t={moment.at_ms / 1000:.1f} s: {where}{moment.text}{again}"


def aligned(rows: Sequence[Sequence[str]], *, left: set[int], style: Style = plain) -> list[str]:
    """Align columns: those in ``left`` to the left, numbers to the right; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        line = "  ".join(cells).rstrip()
        lines.append(style("dim", line) if number == 0 else line)
    return lines


def timeline_json(timeline: Timeline) -> dict[str, Any]:
    """Return the timeline as plain JSON (docs/scenarios.md); shares and rates are numbers from 0 to 1."""
    shown = asdict(timeline)
    for name, rows in (("streams", timeline.streams), ("routes", timeline.routes)):
        shown[name] = [_totals_json(row) for row in rows]
    for cluster, made in zip(timeline.clusters, shown["clusters"], strict=True):
        made["totals"] = _totals_json(cluster.totals)
    return shown


def _totals_json(totals: Totals) -> dict[str, Any]:
    return asdict(totals) | {
        "success_rate": round(totals.success_rate, 6),
        "attempts_per_request": round(totals.amplification, 6),
    }
