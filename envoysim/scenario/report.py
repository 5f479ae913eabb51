"""From a run's counters to the timeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..model.timeline import ClusterTotals, EndpointTotals, Timeline, Totals
from .tally import Cell
from .watch import Watch

if TYPE_CHECKING:
    from .play import Play


def make_timeline(play: Play, *, interrupted: bool) -> Timeline:
    """Sum a run up."""
    scenario, tally, watch = play.scenario, play.tally, play.watch
    end_ms = play.state.now_ms
    tally.finish()
    telling = play.telling
    notes = [note.text for note in telling.notes]
    notes += [f"assumed: {text}" for text in telling.assumed[:20]]
    if len(telling.assumed) > 20:
        notes.append(f"assumed: {len(telling.assumed) - 20} more of the kind")
    return Timeline(
        title=scenario.name,
        seed=play.seed,
        duration_ms=scenario.duration_ms,
        simulated_ms=end_ms,
        interrupted=interrupted,
        requests=tally.requests,
        streams=_totals({t.name: tally.streams[t.name] for t in scenario.traffic if t.name in tally.streams}),
        routes=_totals(tally.routes),
        clusters=[_cluster(play, name, cell, end_ms) for name, cell in sorted(tally.clusters.items())],
        bin_ms=tally.bin_ms,
        bins=tally.bins,
        lanes=watch.lanes(end_ms),
        panics={name: spans for name in watch.clusters if (spans := watch.panic_spans(name, end_ms))},
        moments=watch.moments,
        moments_left_out=watch.left_out,
        notes=notes,
    )


def _totals(cells: Mapping[str, Cell]) -> list[Totals]:
    return [cell.totals(name) for name, cell in cells.items()]


def _cluster(play: Play, name: str, cell: Cell, end_ms: float) -> ClusterTotals:
    stats, watch = play.telling.stats, play.watch

    def count(*names: str) -> int:
        return sum(stats.get(f"cluster.{name}.{stat}", 0) for stat in names)

    panics = watch.panic_spans(name, end_ms) if name in watch.clusters else []
    endpoints = _endpoints(play, name, watch, end_ms)
    return ClusterTotals(
        totals=cell.totals(name),
        retries=count("upstream_rq_retry"),
        timeouts=count("upstream_rq_timeout", "upstream_rq_per_try_timeout", "upstream_rq_per_try_idle_timeout"),
        overflows=count("upstream_rq_pending_overflow", "upstream_rq_active_overflow", "upstream_rq_retry_overflow"),
        ejections=sum(endpoint.ejections for endpoint in endpoints),
        panics=len(panics),
        panic_ms=sum(span.end_ms - span.start_ms for span in panics),
        endpoints=endpoints,
    )


def _endpoints(play: Play, name: str, watch: Watch, end_ms: float) -> list[EndpointTotals]:
    """Return every endpoint of the cluster, those without a request too (an aggregate's are its members')."""
    arrived = {endpoint: got for (cluster, endpoint), got in play.tally.endpoints.items() if cluster == name}
    seen = watch.clusters.get(name)
    names = dict.fromkeys(host.endpoint for host in seen.cluster.hosts) if seen is not None else {}
    total = sum(got.attempts for got in arrived.values())
    found = []
    for endpoint in [*names, *(endpoint for endpoint in arrived if endpoint not in names)]:
        got = arrived.get(endpoint)
        attempts, failures = (got.attempts, got.failures) if got is not None else (0, 0)
        ejections = seen.ejections.get(endpoint, 0) if seen is not None else 0
        ejected_ms = watch.ejected_ms(name, endpoint, end_ms) if ejections else 0.0
        share = attempts / total if total else 0.0
        found.append(EndpointTotals(endpoint, attempts, failures, share, ejections, ejected_ms))
    return found
