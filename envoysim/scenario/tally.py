"""What is kept of every request: counters and histograms, never the request itself.

Requests of the same stream, route and cluster share a ``Cell`` for the current stretch of time. When that is over,
cells are added to the totals and to one ``Bin`` of the series.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from ..model.outcome import Outcome
from ..model.timeline import Bin, Totals
from .histogram import bucket, latency, quantiles

NOT_SENT: Final = frozenset({"overflow"})
NO_FAILURE: Final = frozenset({"close"})
"""Results in words that are no failure: a TCP upstream has closed after its answer. (HTTP upstreams that do: reset.)"""


class Key(NamedTuple):
    """What a cell is for; ``cluster`` is "" where none was reached."""

    stream: str
    route: str
    cluster: str


class Cell:
    """Counters of some requests."""

    __slots__ = ("attempts", "flags", "histogram", "max_ms", "ok", "requests", "statuses", "sum_ms")

    def __init__(self) -> None:
        self.requests = 0
        self.ok = 0
        self.attempts = 0
        self.histogram: dict[int, int] = {}
        self.sum_ms = 0.0
        self.max_ms = 0.0
        self.statuses: dict[str, int] = {}
        self.flags: dict[str, int] = {}

    def add(self, other: Cell) -> None:
        """Add another cell's counters."""
        self.requests += other.requests
        self.ok += other.ok
        self.attempts += other.attempts
        self.sum_ms += other.sum_ms
        self.max_ms = max(self.max_ms, other.max_ms)
        for mine, theirs in ((self.statuses, other.statuses), (self.flags, other.flags)):
            for word, count in theirs.items():
                mine[word] = mine.get(word, 0) + count
        histogram = self.histogram
        for index, count in other.histogram.items():
            histogram[index] = histogram.get(index, 0) + count

    def totals(self, name: str) -> Totals:
        """Return the counters as values."""
        return Totals(
            name,
            self.requests,
            self.ok,
            self.attempts,
            latency(self.histogram, self.sum_ms, self.max_ms),
            dict(sorted(self.statuses.items())),
            dict(sorted(self.flags.items())),
        )


class Arrived:
    """What reached one endpoint: attempts and those that failed."""

    __slots__ = ("attempts", "failures")

    def __init__(self) -> None:
        self.attempts = 0
        self.failures = 0


class Tally:
    """All counters of a run; ``bin_end_ms`` is when ``roll`` is due."""

    def __init__(self, bin_ms: float) -> None:
        self.bin_ms = bin_ms
        self.bin_start_ms = 0.0
        self.bin_end_ms = bin_ms
        self.arrivals = 0
        """Requests that arrived in this bin."""
        self.requests = 0
        self.cells: dict[Key, Cell] = {}
        self.streams: dict[str, Cell] = {}
        self.routes: dict[str, Cell] = {}
        self.clusters: dict[str, Cell] = {}
        self.endpoints: dict[tuple[str, str], Arrived] = {}
        self.bins: list[Bin] = []
        self.on_cluster: Callable[[str, Cell], None] = lambda name, cell: None
        """Told what a cluster's requests of a bin came to."""

    def cell(self, key: Key) -> Cell:
        """Return the cell of ``key`` for this bin."""
        found = self.cells.get(key)
        if found is None:
            found = self.cells[key] = Cell()
        return found

    def endpoint(self, cluster: str, endpoint: str) -> Arrived:
        """Return the counters of an endpoint."""
        found = self.endpoints.get((cluster, endpoint))
        if found is None:
            found = self.endpoints[cluster, endpoint] = Arrived()
        return found

    def count(self, stream: str, route: str, outcome: Outcome, took_ms: float) -> None:
        """Count a request that has ended."""
        cell = self.cell(Key(stream, route, outcome.cluster or ""))
        cell.requests += 1
        cell.ok += answered_well(outcome)
        index = bucket(took_ms)
        cell.histogram[index] = cell.histogram.get(index, 0) + 1
        cell.sum_ms += took_ms
        cell.max_ms = max(cell.max_ms, took_ms)
        word = answer_word(outcome)
        cell.statuses[word] = cell.statuses.get(word, 0) + 1
        for flag in outcome.response_flags:
            cell.flags[flag] = cell.flags.get(flag, 0) + 1
        for attempt in outcome.attempts:
            if attempt.endpoint is None or attempt.result in NOT_SENT:
                continue
            cell.attempts += 1
            arrived = self.endpoint(attempt.cluster, attempt.endpoint)
            arrived.attempts += 1
            result = attempt.result
            arrived.failures += int(result) >= 500 if result.isdigit() else result not in NO_FAILURE

    def roll(self, now_ms: float) -> None:
        """Close the bins that have ended by ``now_ms``."""
        while self.bin_end_ms <= now_ms:
            self._close()
            self.bin_start_ms = self.bin_end_ms
            self.bin_end_ms += self.bin_ms

    def finish(self) -> None:
        """Close the last bin, if anything is in it."""
        if self.arrivals or any(cell.requests for cell in self.cells.values()):
            self._close()

    def _close(self) -> None:
        whole, by_cluster = Cell(), dict[str, Cell]()
        for key, cell in self.cells.items():
            if not cell.requests:
                continue
            whole.add(cell)
            by_cluster.setdefault(key.cluster, Cell()).add(cell)
            for totals, name in ((self.streams, key.stream), (self.routes, key.route), (self.clusters, key.cluster)):
                if name:
                    totals.setdefault(name, Cell()).add(cell)
            cell.__init__()  # type: ignore[misc]  # cells stay where they are: others hold on to them
        for name, cell in by_cluster.items():
            self.on_cluster(name, cell)
        p50, p99 = quantiles(whole.histogram, (0.5, 0.99), whole.max_ms)
        self.bins.append(Bin(self.bin_start_ms, self.arrivals, whole.requests, whole.ok, whole.attempts, p50, p99))
        self.requests += whole.requests
        self.arrivals = 0


def answer_word(outcome: Outcome) -> str:
    """Say in a word what the client got: a status, how the connection was closed, or that it was proxied as TCP."""
    if outcome.status is not None:
        return str(outcome.status)
    return outcome.closed or ("unknown" if outcome.unknown is not None else "tcp")


def answered_well(outcome: Outcome) -> bool:
    """Tell whether a request counts as a success: answered below 500, and no gRPC error."""
    status = outcome.status
    if status is None:
        return outcome.closed is None and outcome.unknown is None  # a TCP connection that was proxied
    if status >= 500:
        return False
    if status == 200:
        for name, value in (*outcome.headers, *outcome.trailers):
            if name == "grpc-status":
                return value == "0"
    return True
