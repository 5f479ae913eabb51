"""Connection pools: which connection an attempt gets, and when (``source/common/conn_pool/conn_pool_base.cc``).

A pool lives in ``State``. Nothing here waits: a ``Ticket`` says when to look again, and ``advance`` moves
the pool on to the present, in the order of what was due.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import field
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass

if TYPE_CHECKING:
    from .circuit_breakers import ResourceManager

NEVER: Final = math.inf


@dataclass(frozen=True, slots=True)
class Connecting:
    """How a new connection turns out: at once or after ``after_ms``, with ``failure`` as reset reason if it fails.

    ``transport_failure`` is the transport socket's text, as in UPSTREAM_TRANSPORT_FAILURE_REASON.
    """

    after_ms: float = 0.0
    failure: str = ""
    transport_failure: str = ""
    protocol: str = "HTTP/1.1"


@dataclass(slots=True, eq=False)
class UpstreamConnection:
    """An established or connecting connection (``ActiveClient``)."""

    outcome: Connecting
    due_ms: float
    concurrent_limit: int
    remaining: int
    active: int = 0
    free_at_ms: float = NEVER
    """When a stream on it is expected to end; streams that wait look again then."""
    draining: bool = False

    def usable(self) -> bool:
        """Tell whether it can take one more stream."""
        return not self.draining and self.active < self.concurrent_limit and self.remaining > 0


@dataclass(slots=True, eq=False)
class Ticket:
    """A stream on its way to a connection (``PendingStream``); ``failure`` is a reset reason."""

    connection: UpstreamConnection | None = None
    failure: str = ""
    transport_failure: str = ""
    waiting: bool = False
    at_once: bool = False
    """It was refused on the spot: no connection had to be made first."""
    queue_full: bool = False
    """``max_pending_requests`` refused it: no host is known for it."""


@dataclass(slots=True, eq=False)
class ConnectionPool:
    """The connections to one host with one set of options."""

    resources: ResourceManager
    concurrent_limit: int = 1
    max_requests_per_connection: int = 0
    ready: list[UpstreamConnection] = field(default_factory=list)
    """Every established connection, busy ones too."""
    connecting: list[UpstreamConnection] = field(default_factory=list)
    pending: deque[Ticket] = field(default_factory=deque)

    def new_stream(self, outcome: Connecting, now_ms: float) -> Ticket:
        """Ask for a connection (``newStreamImpl``): a ready one, a new one, or a place in the queue."""
        if self.connecting or self.pending:
            self.advance(now_ms)
        ticket = Ticket()
        for connection in self.ready:
            if connection.usable():
                self._attach(ticket, connection, now_ms)
                ticket.at_once = bool(ticket.failure)
                return ticket
        if self.resources.pending >= self.resources.limits.max_pending_requests:
            ticket.failure = "overflow"
            ticket.queue_full = ticket.at_once = True
            return ticket
        if outcome.after_ms == 0 and not self.pending and self.may_connect():
            self._connect_at_once(ticket, outcome, now_ms)
            return ticket
        self.resources.pending += 1
        ticket.waiting = True
        self.pending.append(ticket)
        self._connect_if_needed(outcome, now_ms)
        return ticket

    def advance(self, now_ms: float) -> None:
        """Settle every connection that is due and hand free connections to waiting streams."""
        for connection in sorted((c for c in self.connecting if c.due_ms <= now_ms), key=lambda c: c.due_ms):
            self.connecting.remove(connection)
            if connection.outcome.failure:
                self.resources.connections -= 1
                self._purge(connection.outcome)
            else:
                self.ready.append(connection)
        self._serve_pending(now_ms)

    def next_ms(self, now_ms: float) -> float:
        """Return when a waiting stream should look again."""
        due = min((c.due_ms for c in self.connecting), default=NEVER)
        free = min((c.free_at_ms for c in self.ready if c.free_at_ms > now_ms), default=NEVER)
        return min(due, free)

    def release(self, connection: UpstreamConnection, now_ms: float, *, close: bool) -> None:
        """End a stream (``onStreamClosed``); ``close`` when the connection ended with it."""
        self.resources.requests -= 1
        connection.active -= 1
        if close:
            connection.draining = True
        if connection.active == 0:
            connection.free_at_ms = NEVER
            if connection.draining or connection.remaining <= 0:
                self._close(connection)
        if self.pending:
            self._serve_pending(now_ms)

    def cancel(self, ticket: Ticket) -> None:
        """Take a waiting stream out of the queue (``onPendingStreamCancel``)."""
        if ticket.waiting:
            ticket.waiting = False
            self.pending.remove(ticket)
            self.resources.pending -= 1

    def close_all(self) -> None:
        """Close every idle connection and let the busy ones go after their streams: the endpoint is gone."""
        for connection in list(self.ready):
            connection.draining = True
            if connection.active == 0:
                self._close(connection)

    def may_connect(self) -> bool:
        """Tell whether the breakers allow one more connection; a pool without any always gets one."""
        limits = self.resources.limits
        if not self.ready and not self.connecting:
            return True
        here = len(self.ready) + len(self.connecting)
        return self.resources.connections < limits.max_connections and here < limits.max_connections_per_host

    def _connect_at_once(self, ticket: Ticket, outcome: Connecting, now_ms: float) -> None:
        if outcome.failure:
            ticket.failure, ticket.transport_failure = outcome.failure, outcome.transport_failure
            return
        connection = self._open(outcome, now_ms)
        self.ready.append(connection)
        self._attach(ticket, connection, now_ms)

    def _connect_if_needed(self, outcome: Connecting, now_ms: float) -> None:
        capacity = sum(c.concurrent_limit for c in self.connecting)
        if len(self.pending) > capacity and self.may_connect():
            self.connecting.append(self._open(outcome, now_ms))

    def _open(self, outcome: Connecting, now_ms: float) -> UpstreamConnection:
        self.resources.connections += 1
        limit = 1 if outcome.protocol == "HTTP/1.1" else self.concurrent_limit
        remaining = self.max_requests_per_connection or 2**31
        return UpstreamConnection(outcome, now_ms + outcome.after_ms, limit, remaining)

    def _attach(self, ticket: Ticket, connection: UpstreamConnection, now_ms: float) -> None:
        if self.resources.requests >= self.resources.limits.max_requests:
            ticket.failure = "overflow"
            return
        ticket.connection = connection
        self.attach(connection, now_ms)

    def attach(self, connection: UpstreamConnection, now_ms: float) -> None:
        """Put one more stream on a connection."""
        connection.active += 1
        connection.remaining -= 1
        self.resources.request_started(now_ms)

    def _serve_pending(self, now_ms: float) -> None:
        while self.pending:
            connection = next((c for c in self.ready if c.usable()), None)
            if connection is None:
                break
            ticket = self.pending.popleft()
            ticket.waiting = False
            self.resources.pending -= 1
            self._attach(ticket, connection, now_ms)
            connection.free_at_ms = now_ms + 1.0  # until the stream that got it says more
        if self.pending and not self.ready and not self.connecting:
            # The last connection went away with streams still waiting: a new one is made for them.
            self.connecting.append(self._open(Connecting(protocol="HTTP/1.1"), now_ms))

    def _purge(self, outcome: Connecting) -> None:
        while self.pending:
            ticket = self.pending.popleft()
            ticket.waiting = False
            ticket.failure, ticket.transport_failure = outcome.failure, outcome.transport_failure
            self.resources.pending -= 1

    def _close(self, connection: UpstreamConnection) -> None:
        self.ready.remove(connection)
        self.resources.connections -= 1
