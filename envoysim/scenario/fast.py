"""Plays the requests of a beaten path: host, connection, answer - and everything else in full.

For every request the real load balancer chooses, the real detector judges, the real pool gives a connection, and the
upstream is asked. An answer that comes in time, is not retried and finds a connection at once is all there is to tell:
it becomes two entries on the clock. Whatever is not like that (a retry, a timer, a queue, a refused connection) goes on
as ``Attempts`` with the host that was chosen and the answer that was drawn, through the same code as any request.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator
from dataclasses import replace
from math import log1p
from typing import TYPE_CHECKING, Final

from ..model.behaviour import PLAIN_REPLY, Behaviour
from ..model.outcome import Attempt, Outcome
from ..model.reply import Aborted, LocalReply, Response
from ..simulate import conclude
from ..stages.circuit_breakers import ResourceManager
from ..stages.connection_pool import Connecting, ConnectionPool, UpstreamConnection
from ..stages.internal_redirect import Recreated
from ..stages.load_balancer import Host, LbContext, NoHost, live_cluster, request_counts
from ..stages.load_balancer.context import Ask
from ..stages.outlier_detection import Detector, detector_of
from ..stages.router import play_attempts, send_first
from ..stages.upstream_connect import connecting, new_pool, pool_key, upstream_protocol
from ..stages.upstream_script import Script
from ..stages.upstream_tls import NO_OPTIONS
from .course import Conclusion, Course
from .histogram import PER_E
from .tally import Arrived, Cell, Key
from .upstream_model import EndpointModel, behaviour

if TYPE_CHECKING:
    from .play import Play

DISTURBED: Final = frozenset({"refuse", "connect_timeout", "leave"})
"""States of an endpoint in which connections fail."""


class Target:
    """One host, with everything at hand that an attempt needs."""

    __slots__ = ("arrived", "connecting", "host", "limits", "model", "pool", "resources")

    def __init__(
        self,
        host: Host,
        pool: ConnectionPool,
        outcome: Connecting,
        model: EndpointModel,
        arrived: Arrived,
    ) -> None:
        self.host = host
        self.pool = pool
        self.connecting = outcome
        self.model = model
        self.arrived = arrived
        self.resources: ResourceManager = pool.resources
        self.limits = pool.resources.limits


class Fast:
    """The player of one stream that has a course."""

    __slots__ = (
        "_ask",
        "_cells",
        "_clock",
        "_config",
        "_counts",
        "_course",
        "_detector",
        "_index",
        "_limit_ms",
        "_live",
        "_play",
        "_split",
        "_state",
        "_targets",
        "_telling",
        "_world",
    )

    def __init__(self, play: Play, index: int, course: Course) -> None:
        cluster = course.cluster
        self._play, self._index, self._course = play, index, course
        self._world, self._state, self._telling, self._clock = play.world, play.state, play.telling, play.clock
        self._live = live_cluster(cluster, play.world, play.state)
        exchange = course.attempts.exchange
        context = LbContext(
            stream=exchange.stream,
            metadata_match=exchange.merged_metadata(),
            hash_policy=course.attempts.forward.hash_policy,
        )
        self._ask = Ask(cluster, context, play.world, play.state, play.telling)
        self._config = cluster.outlier_detection
        self._split = self._config is not None and self._config.split_external_local_origin_errors
        self._detector: Detector | None = None
        self._counts = request_counts(play.state, cluster.name) if cluster.counts_requests else None
        self._limit_ms = course.limit_ms
        self._targets: dict[Host, Target] = {}
        self._cells: dict[int, tuple[Conclusion, Cell]] = {}

    def arrive(self) -> None:
        """Play a request that arrives now; chance has begun."""
        ask, live = self._ask, self._live
        now_ms = self._state.now_ms
        if live.clock is not None:
            live.clock(now_ms, self._world, self._telling)
        live.settle(now_ms)
        ask.reason = ask.how = ""
        host = live.balancer.choose(ask)
        if host is None:
            self._play.go_on(self._in_full(None, None))
            return
        target = self._targets.get(host) or self._target(host)
        pool, model, resources, limits = target.pool, target.model, target.resources, target.limits
        connection: UpstreamConnection | None = None
        for ready in pool.ready:
            if ready.active < ready.concurrent_limit and not ready.draining and ready.remaining > 0:
                connection = ready
                break
        if (
            pool.connecting
            or pool.pending
            or target.connecting.failure
            or resources.requests >= limits.max_requests
            or (connection is None and (resources.pending >= limits.max_pending_requests or not pool.may_connect()))
            or model.rule.conduct.state in DISTURBED
        ):
            self._play.go_on(self._in_full(target, None))
            return
        law, delay_ms = model.answer(now_ms)
        status = law.status
        if (
            law.action != "reply"
            or law.grpc_status is not None
            or delay_ms >= self._limit_ms
            or not (status in self._cells or self._knows(status))
        ):
            self._play.go_on(self._in_full(target, behaviour(law, delay_ms)))
            return
        if connection is not None:
            pool.attach(connection, now_ms)
        else:
            connection = pool.new_stream(target.connecting, now_ms).connection
            assert connection is not None  # the breakers were asked above
        if self._config is not None and (self._split or self._detector is None):
            self._connected(host, now_ms)
        if self._counts is not None:
            self._counts[host.endpoint] = self._counts.get(host.endpoint, 0) + 1
        due_ms = connection.free_at_ms = now_ms + delay_ms
        if delay_ms > 0:
            clock = self._clock
            heapq.heappush(clock.heap, (due_ms, clock.number(), (self, target, connection, status, now_ms)))
        else:
            self.complete(target, connection, status, now_ms)

    def complete(self, target: Target, connection: UpstreamConnection, status: int, start_ms: float) -> None:
        """The answer is there: give the connection back, tell the detector, count."""
        now_ms, host = self._state.now_ms, target.host
        if self._counts is not None:
            self._counts[host.endpoint] -= 1
        target.pool.release(connection, now_ms, close=False)
        detector = self._detector
        if detector is not None:
            detector.advance(now_ms, self._world, self._telling)
            detector.put_result(host, "answer", status, now_ms, self._world, self._telling)
        conclusion, cell = self._cells[status]
        took_ms = now_ms - start_ms
        cell.requests += 1
        cell.attempts += 1
        cell.ok += conclusion.ok
        cell.sum_ms += took_ms
        if took_ms > cell.max_ms:
            cell.max_ms = took_ms
        bucket = int(log1p(took_ms * 1000.0) * PER_E)
        histogram = cell.histogram
        histogram[bucket] = histogram.get(bucket, 0) + 1
        statuses = cell.statuses
        statuses[conclusion.word] = statuses.get(conclusion.word, 0) + 1
        for flag in conclusion.outcome.response_flags:
            cell.flags[flag] = cell.flags.get(flag, 0) + 1
        target.arrived.attempts += 1
        if status >= 500:
            target.arrived.failures += 1
        if self._play.on_outcome is not None:
            self._tell(conclusion.outcome, host, status, start_ms)

    # ---- what is made once

    def _target(self, host: Host) -> Target:
        """Find the pool that an attempt would use (as ``UpstreamRequest.begin`` does), and the endpoint's model."""
        play, course = self._play, self._course
        exchange, cluster = course.attempts.exchange, course.cluster
        protocol = upstream_protocol(cluster, exchange.stream.protocol)
        options = exchange.tls_options if cluster.transport_sockets.resolve(host).tls else NO_OPTIONS
        key = pool_key(cluster, host, exchange.forward.priority, protocol, options)
        pool = play.state.slot(key, lambda: new_pool(cluster, exchange.resources, protocol))
        model = play.upstreams.endpoint(host.endpoint, cluster.name)
        script = Script(course.request, replace(self._world, upstream_model=ACCEPTS), play.state)
        outcome = connecting(script, cluster, host, protocol, options, cluster.transport_sockets.resolve(host))
        arrived = play.tally.endpoint(cluster.name, host.endpoint)
        target = self._targets[host] = Target(host, pool, outcome, model, arrived)
        return target

    def _knows(self, status: int) -> bool:
        """Tell whether an answer with ``status`` is plain; its cell is then at hand."""
        conclusion = self._course.conclusion(status)
        if conclusion is None:
            return False
        play, outcome = self._play, conclusion.outcome
        key = Key(play.scenario.traffic[self._index].name, play.route_name(outcome), outcome.cluster or "")
        self._cells[status] = (conclusion, play.tally.cell(key))
        return True

    def _connected(self, host: Host, now_ms: float) -> None:
        """Tell the detector of a connection; the first news makes it."""
        assert self._config is not None
        detector = self._detector
        if detector is None:
            detector = self._detector = detector_of(self._course.cluster, self._config, self._world, self._state)
            detector.advance(now_ms, self._world, self._telling)
        if self._split:
            detector.put_result(host, "connected", None, now_ms, self._world, self._telling)

    # ---- in full

    def _in_full(self, target: Target | None, drawn: Behaviour | None) -> Generator[float, None, None]:
        """Play a request with every stage after the choice of its first host."""
        play, state = self._play, self._state
        start_ms = self._telling.now_ms = state.now_ms
        attempts = self._course.fresh(self._world, state, self._telling)
        end: Response | LocalReply | Aborted | Recreated
        if target is None:
            end = attempts.no_host(NoHost(self._ask.reason))
        else:
            attempts.exchange.script.drawn = drawn
            send_first(attempts, self._course.config, target.host)
            end = yield from play_attempts(attempts)
        assert not isinstance(end, Recreated)  # a course has no internal redirects
        outcome = yield from conclude(attempts.stream, end)
        play.ended(self._index, outcome, start_ms)

    def _tell(self, plain: Outcome, host: Host, status: int, start_ms: float) -> None:
        """Tell a listener of the outcome as the general path would."""
        attempt = Attempt(host.cluster_name, host.endpoint, start_ms, result=str(status))
        outcome = replace(plain, endpoint=host.endpoint, attempts=(attempt,))
        assert self._play.on_outcome is not None
        self._play.on_outcome(self._index, outcome, start_ms)


class _Accepts:
    """Upstreams that accept every connection: what is left is whether TLS succeeds."""

    def meets_connection(self, endpoint: str, cluster: str, now_ms: float) -> Behaviour | None:
        """Accept."""
        return None

    def meets_request(self, endpoint: str, cluster: str, now_ms: float) -> Behaviour:
        """Answer."""
        return PLAIN_REPLY


ACCEPTS: Final = _Accepts()
