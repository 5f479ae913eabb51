"""Notices when something changes, and why: from steps that stages record, and from the health of hosts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from ..model.ref import Ref
from ..model.timeline import Lane, Moment, Span
from ..model.trace import Rejected, Step
from ..stages.host import DRAINING, FAILED_OUTLIER_CHECK, HEALTHY, Host, coarse_health
from ..stages.load_balancer.live_cluster import LiveCluster, live_cluster
from ..stages.outlier_monitor import CONSECUTIVE, FAILURE_PERCENTAGE, SUCCESS_RATE
from ..stages.stream import Telling
from .tally import Cell
from .trend import Trend

if TYPE_CHECKING:
    from ..model.world import State, World
    from ..stages.cluster import Cluster

MAX_MOMENTS: Final = 2000
"""Moments kept; how many more there were is said."""
MAX_LANES: Final = 200
QUIET_MS: Final = 5000.0
"""The same news after less than this belongs to the moment before."""
STAGES: Final = frozenset({"outlier detection", "health check"})
CHOSEN: Final = "cluster `{}`"
"""What the router says of the cluster it has chosen."""
OVERFLOWS: Final = {
    "upstream_rq_pending_overflow": ("max_pending_requests", "requests that wait for a connection are refused"),
    "upstream_rq_active_overflow": ("max_requests", "requests are refused"),
    "upstream_rq_retry_overflow": ("max_retries", "retries are not made"),
}
"""Counter -> the breaker, and what that means."""


class Quiet(Telling):
    """Tells nothing but what a scenario wants to hear; one serves all requests."""

    __slots__ = ("_watch",)

    def __init__(self, watch: Watch) -> None:
        super().__init__(False)
        self._watch = watch

    def step(
        self,
        stage: str,
        ref: Ref | None,
        template: str,
        *args: object,
        losers: Callable[[], tuple[Rejected, ...]] | None = None,
    ) -> None:
        """Hand on what concerns hosts' health, and which clusters are reached."""
        if stage in STAGES:
            self._watch.hear(ref, template, args)
        elif stage == "cluster" and template == CHOSEN and args[0] not in self._watch.clusters:
            self._watch.on_cluster(str(args[0]))

    def repeat(self, steps: Sequence[Step], at_ms: float) -> None:
        """Keep nothing: no connection tells what a scenario wants to hear."""

    def count(self, name: str, by: int = 1) -> None:
        """Count, and notice breakers that overflow."""
        stats = self.stats
        stats[name] = stats.get(name, 0) + by
        if name.endswith("_overflow"):
            self._watch.overflow(name)


class Seen:
    """One cluster as the watch last saw it."""

    __slots__ = ("cluster", "ejections", "health", "live", "open_lanes", "panic_since", "panics", "spans")

    def __init__(self, cluster: Cluster, live: LiveCluster) -> None:
        self.cluster = cluster
        self.live = live
        self.health: dict[Host, str] = {host: health_word(live.flags(host)) for host in cluster.hosts}
        self.spans: dict[str, list[Span]] = {}
        """Spans that ended, by endpoint, for hosts that were ever other than they began."""
        self.open_lanes: dict[str, float] = {}
        self.panics: list[Span] = []
        self.panic_since: float | None = None
        self.ejections: dict[str, int] = {}


class Watch:
    """The watch over all clusters a scenario reaches."""

    def __init__(self, world: World, state: State) -> None:
        self._world = world
        self._state = state
        self.on_cluster: Callable[[str], None] = lambda name: None
        """Told of a cluster that is reached for the first time, before it chooses a host."""
        self.clusters: dict[str, Seen] = {}
        self._by_ref: dict[Ref, Seen] = {}
        self.moments: list[Moment] = []
        self.left_out = 0
        self._trends: dict[str, Trend] = {}
        self._latest: dict[tuple[str, str], Moment] = {}
        self.scripted: dict[str, list[Span]] = {}
        self._scripted_open: dict[str, tuple[float, str]] = {}

    # ---- clusters

    def cluster(self, cluster: Cluster) -> None:
        """Watch a cluster from now on."""
        if cluster.name in self.clusters:
            return
        live = live_cluster(cluster, self._world, self._state)
        seen = self.clusters[cluster.name] = Seen(cluster, live)
        if cluster.outlier_detection is not None:
            self._by_ref[cluster.outlier_detection.ref] = seen
        if cluster.health_check is not None:
            self._by_ref[cluster.health_check.ref] = seen
        live.on_delivered = lambda: self._delivered(seen)
        self._delivered(seen)

    def _delivered(self, seen: Seen) -> None:
        """The worker's view has changed: look at panic, and at every host."""
        self.look(seen)
        loads = getattr(seen.live.balancer, "loads", None)
        panic = loads is not None and any(loads.panic)
        if panic == (seen.panic_since is not None):
            return
        now_ms, name = self._state.now_ms, seen.cluster.name
        hosts = len(seen.cluster.hosts)
        healthy = sum(1 for word in seen.health.values() if word == HEALTHY)
        if panic:
            seen.panic_since = now_ms
            limit = seen.cluster.panic_threshold
            text = f"panic: {healthy} of {hosts} hosts healthy, below healthy_panic_threshold {limit} %: all are used"
            self.note("panic", name, text)
        else:
            seen.panics.append(Span(seen.panic_since or 0.0, now_ms, "panic"))
            seen.panic_since = None
            self.note("calm", name, f"panic is over: {healthy} of {hosts} hosts healthy")

    def look(self, seen: Seen) -> None:
        """Note which hosts' health has changed (as the main thread knows it)."""
        now_ms, flags = self._state.now_ms, seen.live.flags
        for host, before in seen.health.items():
            word = health_word(flags(host))
            if word == before:
                continue
            endpoint = host.endpoint
            seen.health[host] = word
            since = seen.open_lanes.get(endpoint, 0.0)
            seen.spans.setdefault(endpoint, []).append(Span(since, now_ms, before))
            seen.open_lanes[endpoint] = now_ms
            if word == "ejected":
                seen.ejections[endpoint] = seen.ejections.get(endpoint, 0) + 1

    # ---- moments

    def hear(self, ref: Ref | None, template: str, args: tuple[object, ...]) -> None:
        """Take a step of outlier detection or health checking."""
        seen = self._by_ref.get(ref) if ref is not None else None
        text, kind = template.format(*args), "health"
        if seen is None:
            self.note(kind, "", text)
            return
        self.look(seen)
        outlier, hosts = seen.cluster.outlier_detection, len(seen.cluster.hosts)
        ejected = sum(1 for word in seen.health.values() if word == "ejected")
        if " ejected by " in text and outlier is not None:
            kind = "ejected"
            endpoint, words, lasts_ms = str(args[0]), str(args[1]), args[2]
            allowed = hosts * outlier.max_ejection_percent // 100
            allows = f"allows {allowed}" if allowed or not outlier.always_eject_one_host else "always lets one go"
            text = (
                f"{endpoint} ejected: {_reason(words, outlier)}; for {_seconds(lasts_ms)}; "
                f"{ejected} of {hosts} hosts, max_ejection_percent {outlier.max_ejection_percent} {allows}"
            )
        elif " is back at " in text:
            kind = "back"
            text = f"{args[0]} is back; {ejected} of {hosts} hosts ejected"
        elif "not ejected" in text and outlier is not None:
            kind, words = "kept", str(args[1])
            if _enforced(words, outlier) == 0:
                return  # such outliers are counted and never ejected
            text = text.replace(words, _reason(words, outlier), 1)
        self.note(kind, seen.cluster.name, text)

    def overflow(self, counter: str) -> None:
        """A breaker of a cluster refuses something."""
        prefix, _, stat = counter.rpartition(".")
        name = prefix.removeprefix("cluster.")
        known = OVERFLOWS.get(stat)
        seen = self.clusters.get(name)
        if known is None or seen is None:
            return
        breaker, meaning = known
        limits = seen.cluster.circuit_breakers.default
        limit: object = getattr(limits, breaker)
        if breaker == "max_retries" and limits.retry_budget is not None:
            breaker, limit = "retry_budget", f"{limits.retry_budget.percent:g} %"
        self.note("overflow", name, f"circuit breaker {breaker} {limit} is full: {meaning}")

    def trend(self, cluster: str, cell: Cell) -> None:
        """Look at a stretch of a cluster's requests."""
        trend = self._trends.get(cluster)
        if trend is None:
            trend = self._trends[cluster] = Trend(lambda kind, text: self.note(kind, cluster, text))
        trend.add(cell)

    def note(self, kind: str, cluster: str, text: str) -> None:
        """Keep a moment; what is said again soon counts as one."""
        now_ms = self._state.now_ms
        latest = self._latest.get((cluster, text))
        if latest is not None and now_ms - latest.last_ms < QUIET_MS:
            latest.times += 1
            latest.last_ms = now_ms
            return
        if len(self.moments) >= MAX_MOMENTS:
            self.left_out += 1
            return
        moment = Moment(now_ms, kind, cluster, text, 1, now_ms)
        self.moments.append(moment)
        self._latest[cluster, text] = moment

    def script(self, key: str, state: str, text: str) -> None:
        """The scenario changes how an upstream behaves; ``state`` is "" when it is as at first."""
        now_ms = self._state.now_ms
        since, before = self._scripted_open.get(key, (0.0, ""))
        if before:
            self.scripted.setdefault(key, []).append(Span(since, now_ms, before))
        self._scripted_open[key] = (now_ms, state)
        self.note("scenario", "", f"{'every endpoint' if key == '*' else key} {text}")

    # ---- the end

    def lanes(self, end_ms: float) -> list[Lane]:
        """Return the hosts' health over time; of many hosts those that changed."""
        for key, (since, state) in self._scripted_open.items():
            if state:
                self.scripted.setdefault(key, []).append(Span(since, end_ms, state))
        self._scripted_open.clear()
        found: list[Lane] = []
        for name, seen in self.clusters.items():
            for host, word in seen.health.items():
                endpoint = host.endpoint
                spans = [*seen.spans.get(endpoint, ()), Span(seen.open_lanes.get(endpoint, 0.0), end_ms, word)]
                scripted = self.scripted.get(endpoint) or self.scripted.get(name) or self.scripted.get("*") or ()
                found.append(Lane(name, endpoint, spans, scripted))
        if len(found) > MAX_LANES:
            found.sort(key=lambda lane: -len(lane.health))
        return found[:MAX_LANES]

    def panic_spans(self, name: str, end_ms: float) -> list[Span]:
        """Return when a cluster was in panic."""
        seen = self.clusters[name]
        still = [] if seen.panic_since is None else [Span(seen.panic_since, end_ms, "panic")]
        return [*seen.panics, *still]

    def ejected_ms(self, name: str, endpoint: str, end_ms: float) -> float:
        """Return how long a host was ejected."""
        seen = self.clusters[name]
        total = sum(span.end_ms - span.start_ms for span in seen.spans.get(endpoint, ()) if span.state == "ejected")
        if any(host.endpoint == endpoint and word == "ejected" for host, word in seen.health.items()):
            total += end_ms - seen.open_lanes.get(endpoint, 0.0)
        return total


def health_word(flags: frozenset[str]) -> str:
    """Say a host's health in one word."""
    if FAILED_OUTLIER_CHECK in flags:
        return "ejected"
    return "draining" if DRAINING in flags else coarse_health(flags)


def _reason(words: str, outlier: object) -> str:
    """``consecutive 5xx`` -> ``5 consecutive 5xx``."""
    for kind in CONSECUTIVE.values():
        if kind.words == words:
            return f"{getattr(outlier, kind.threshold)} {words}"
    return words


def _enforced(words: str, outlier: object) -> int:
    """Return the share in percent of the outliers of a kind that are ejected."""
    kinds = (*CONSECUTIVE.values(), *SUCCESS_RATE.values(), *FAILURE_PERCENTAGE.values())
    return next((int(getattr(outlier, kind.enforcing)) for kind in kinds if kind.words == words), 100)


def _seconds(ms: object) -> str:
    return f"{float(str(ms)) / 1000:g} s"
