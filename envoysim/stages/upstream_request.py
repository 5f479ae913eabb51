"""One attempt: a host, a connection to it, the request as it leaves, and what comes back.

Follows ``source/common/router/upstream_request.cc``. An attempt never waits by itself: it says when
something happens next (``due_ms``), and ``advance`` says what.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..model.behaviour import Behaviour
from ..model.headers import HeaderMap
from ..model.outcome import Attempt, Pairs
from ..model.reply import LocalReply, Response
from . import upstream_tls
from .circuit_breakers import resource_manager
from .connection_pool import ConnectionPool, Ticket
from .exchange import Exchange, Reset
from .host_reports import report
from .load_balancer import request_counts
from .route_action import rewrite_host_after_choice
from .upstream_answer import H1, PROTOCOL_ERROR, closes_connection, early_reset, late_reset, make_answer
from .upstream_connect import connect, connecting, mismatch, new_pool, pool_key, upstream_protocol

if TYPE_CHECKING:
    from .circuit_breakers import ResourceManager
    from .cluster import Cluster
    from .load_balancer import Host
    from .stream import Stream
    from .upstream_script import Script

NEVER: Final = math.inf

PSEUDO: Final = frozenset({":authority", ":method", ":path", ":protocol", ":scheme"})
NOT_LISTED: Final = PSEUDO | {"host", "content-length", "transfer-encoding"}
CLOCK_HEADERS: Final = frozenset({"x-envoy-expected-rq-timeout-ms", "grpc-timeout"})
"""Headers of retries whose value depends on the time that has passed."""
NOT_LISTED_H2: Final = NOT_LISTED | {"connection", "upgrade", "keep-alive", "proxy-connection"}


@dataclass(slots=True, eq=False)
class UpstreamRequest:
    """One attempt in flight."""

    exchange: Exchange
    host: Host
    cluster: Cluster
    """The host's own: a member where the route's cluster is an aggregate."""
    number: int
    due_ms: float = NEVER
    """When ``advance`` has news."""
    timer_ms: float = NEVER
    """The earliest of the attempt's own timers."""
    per_try_due_ms: float = NEVER
    per_try_idle_due_ms: float = NEVER
    max_duration_due_ms: float = NEVER
    record: Attempt | None = None
    pool: ConnectionPool | None = None
    ticket: Ticket | None = None
    protocol: str = "HTTP/1.1"
    behaviour: Behaviour | None = None
    sent: bool = False
    awaiting_headers: bool = True
    retried: bool = False
    timeout_reported: bool = False
    done: bool = False

    def begin(self, now_ms: float) -> None:
        """Ask the pool for a connection (``newStream``)."""
        exchange, host = self.exchange, self.host
        cluster, stream = self.cluster, exchange.stream
        resources = exchange.resources if cluster is exchange.cluster else _resources(cluster, exchange)
        protocol = self.protocol = "TCP" if exchange.raw_tcp else upstream_protocol(cluster, stream.protocol)
        socket = cluster.transport_sockets.resolve(host)
        options = exchange.tls_options if socket.tls else upstream_tls.NO_OPTIONS
        downstream = id(stream.connection) if cluster.connection_pool_per_downstream_connection else 0
        key = pool_key(cluster, host, exchange.forward.priority, protocol, options, downstream)
        pool = self.pool = stream.state.slot(key, lambda: new_pool(cluster, resources, protocol))
        outcome = connecting(exchange.script, cluster, host, protocol, options, socket)
        if socket.note or socket.has_validation:
            _assume(stream, cluster, host, exchange.script, socket)
        if outcome.failure:
            pool.close_all()
        self.ticket = pool.new_stream(outcome, now_ms)
        self._look_at_ticket(now_ms)

    @property
    def no_host(self) -> bool:
        """The pool refused before it had a connection in view: no host is known to the log."""
        return self.ticket is not None and self.ticket.queue_full

    def advance(self, now_ms: float) -> Reset | Response | LocalReply | None:
        """Return what happened by ``now_ms``, or ``None`` to go on waiting."""
        ticket, pool = self.ticket, self.pool
        assert ticket is not None
        assert pool is not None
        if not self.sent:
            if ticket.waiting:
                pool.advance(now_ms)
            self._look_at_ticket(now_ms)
            if ticket.failure:
                return self._pool_failure(ticket)
            if self.due_ms > now_ms:
                return None
        return self._upstream_event(now_ms)

    def _look_at_ticket(self, now_ms: float) -> None:
        ticket, pool = self.ticket, self.pool
        assert ticket is not None
        assert pool is not None
        if ticket.waiting:
            self.due_ms = pool.next_ms(now_ms)
        elif ticket.failure:
            self.due_ms = now_ms
        else:
            self._pool_ready(ticket, now_ms)

    def _pool_failure(self, ticket: Ticket) -> Reset:
        self.done = True
        self.due_ms = NEVER
        if ticket.failure != "overflow":
            self._note_sent("connect_timeout" if ticket.failure == "connection timeout" else "refused")
        return Reset(ticket.failure, ticket.transport_failure)

    def _pool_ready(self, ticket: Ticket, now_ms: float) -> None:
        """Send the request and meet the upstream's behaviour (``onPoolReady``)."""
        exchange, connection = self.exchange, ticket.connection
        assert connection is not None
        self.sent = True
        self.due_ms = now_ms
        self.protocol = connection.outcome.protocol
        self._arm_timers(now_ms)
        if exchange.forward.auto_host_rewrite:
            rewrite_host_after_choice(
                exchange.stream, exchange.forward, self.host.hostname, envoy_headers=exchange.envoy_headers
            )
        endpoint, cluster = self.host.endpoint, self.cluster
        if cluster.outlier_detection is not None:
            report(exchange.stream, cluster, self.host, "connected")
        if cluster.counts_requests:
            counts = request_counts(exchange.stream.state, cluster.name)
            counts[endpoint] = counts.get(endpoint, 0) + 1
        if exchange.raw_tcp:
            return
        unreadable = mismatch(exchange.script, exchange.stream.world, cluster, self.host, self.protocol)
        if unreadable is not None:
            self._note_sent("refused")
            self.behaviour = unreadable
            return
        if self.protocol == H1 and exchange.stream.upgrade == "websocket" and exchange.stream.body:
            # The body waits for the upstream's 101, and a scripted upstream for the whole request.
            self.due_ms = NEVER
            return
        behaviour = self.behaviour = exchange.script.meets_request(endpoint, cluster.name)
        self._note_sent("")
        self.due_ms = NEVER if behaviour.action == "hang" else now_ms + behaviour.delay_ms
        connection.free_at_ms = min(self.due_ms, self.timer_ms)

    def _arm_timers(self, now_ms: float) -> None:
        timeouts = self.exchange.timeouts
        runs = self.exchange.complete or self.exchange.stream.upgrade == "websocket"
        if timeouts.per_try_ms and runs:
            self.per_try_due_ms = now_ms + timeouts.per_try_ms
        if timeouts.per_try_idle_ms and runs:
            self.per_try_idle_due_ms = now_ms + timeouts.per_try_idle_ms
        longest = timeouts.max_stream_duration_ms
        if longest is None:
            longest = self.cluster.max_stream_duration_ms
        if longest:
            self.max_duration_due_ms = now_ms + longest
        self._note_timers()

    def disarm_per_try(self) -> None:
        """Both per-try timers have done their work (or are ignored)."""
        self.per_try_due_ms = self.per_try_idle_due_ms = NEVER
        self._note_timers()

    def _note_timers(self) -> None:
        self.timer_ms = min(self.per_try_due_ms, self.per_try_idle_due_ms, self.max_duration_due_ms)

    def _note_sent(self, result: str) -> None:
        stream, protocol = self.exchange.stream, self.protocol
        headers = stream.headers
        first = dict(reversed(headers.items))
        hidden = NOT_LISTED if protocol == H1 else NOT_LISTED_H2
        sent: Pairs = tuple([p for p in headers.items if p[0] not in hidden])
        if self.number > 1:
            sent = tuple([(n, "*") if n in CLOCK_HEADERS else (n, v) for n, v in sent])
        upgraded = protocol != H1 and bool(stream.upgrade) and "upgrade" in first
        self.record = Attempt(
            self.cluster.name,
            self.host.endpoint,
            stream.state.now_ms,
            protocol,
            "CONNECT" if upgraded else first.get(":method"),
            first.get(":scheme"),
            first.get(":path") or "",
            first.get(":authority"),
            sent,
            result,
        )
        stream.attempts.append(self.record)

    def _upstream_event(self, now_ms: float) -> Reset | Response | LocalReply | None:
        behaviour = self.behaviour
        if behaviour is None:  # a TCP tunnel is open as soon as the connection is
            self.awaiting_headers = False
            self.due_ms = NEVER
            open_ended = self.exchange.stream.headers.get(":method") != "CONNECT"  # an answer whose body never ends
            if not open_ended:
                self.finish(now_ms, close=True)
            return Response(200, HeaderMap(), cut=open_ended)
        reset = early_reset(behaviour, self.protocol)
        if reset is not None:
            return self._reset(*reset, now_ms)
        if not self.awaiting_headers:  # headers went by already: this is the cut within the body
            return self._reset(late_reset(self.protocol), True, now_ms)
        answer = make_answer(behaviour, self.exchange.stream, self.protocol, http1_trailers=self.cluster.http1_trailers)
        if answer is None:
            return self._reset(PROTOCOL_ERROR, False, now_ms)
        self.awaiting_headers = False
        if self.record is not None and not self.record.result:
            self.record.result = str(answer.status)
        if isinstance(answer, LocalReply):
            self.finish(now_ms, close=True)
            return answer
        if not answer.cut:
            leaves = behaviour.action == "partial" or closes_connection(answer)
            self.finish(now_ms, close=self.protocol == H1 and leaves)
        elif behaviour.action == "partial":
            self.due_ms = now_ms
        else:
            self.due_ms = NEVER
            if self.exchange.timeouts.per_try_idle_ms:
                self.per_try_idle_due_ms = now_ms + self.exchange.timeouts.per_try_idle_ms
                self._note_timers()
        return answer

    def _reset(self, reason: str, close: bool, now_ms: float) -> Reset:
        if self.record is not None and not self.record.result:
            self.record.result = "reset"
        self.finish(now_ms, close=close)
        return Reset(reason)

    def abandon(self, now_ms: float, result: str) -> None:
        """Reset the attempt from this side (``resetStream``): HTTP/1 loses the connection, HTTP/2 a stream."""
        if self.done:
            return
        if self.record is not None and not self.record.result:
            self.record.result = result
        self.finish(now_ms, close=self.protocol in (H1, "TCP"))

    def finish(self, now_ms: float, *, close: bool) -> None:
        """Give the connection back, or the place in the queue."""
        if self.done:
            return
        self.done = True
        self.timer_ms = self.due_ms = NEVER
        if self.sent and self.cluster.counts_requests:
            request_counts(self.exchange.stream.state, self.cluster.name)[self.host.endpoint] -= 1
        ticket, pool = self.ticket, self.pool
        if ticket is None or pool is None:
            return
        if ticket.connection is not None:
            pool.release(ticket.connection, now_ms, close=close)
        else:
            pool.cancel(ticket)


def _assume(stream: Stream, cluster: Cluster, host: Host, script: Script, socket: upstream_tls.TransportSocket) -> None:
    """Say what is taken for granted about the connection."""
    if socket.note:
        stream.telling.note(socket.ref, socket.note)
    if socket.has_validation and script.nature(host.endpoint, cluster.name).tls is None:
        text = f"{host.endpoint} shows a certificate that cluster `{cluster.name}` accepts"
        if text not in stream.telling.assumed:
            stream.telling.assumed.append(text)


def _resources(cluster: Cluster, exchange: Exchange) -> ResourceManager:
    state, priority = exchange.stream.state, exchange.forward.priority
    return resource_manager(state, cluster.name, cluster.circuit_breakers, priority)


__all__ = ["NOT_LISTED", "UpstreamRequest", "connect"]
