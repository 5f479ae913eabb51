"""One attempt: a host, a connection to it, the request as it leaves, and what comes back.

Follows ``source/common/router/upstream_request.cc`` and ``source/common/http/codec_client.cc``. An attempt
never waits by itself: it says when something happens next (``due_ms``), and ``advance`` says what.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ..model.behaviour import ECHO, Behaviour
from ..model.headers import HeaderMap
from ..model.outcome import Attempt, Pairs
from ..model.reply import Response
from . import upstream_tls
from .connection_pool import Connecting, ConnectionPool, Ticket
from .upstream_script import Script

if TYPE_CHECKING:
    from .circuit_breakers import ResourceManager
    from .cluster import Cluster
    from .load_balancer import Host
    from .stream import Stream

NEVER: Final = math.inf
CONNECTION_TERMINATION: Final = "connection termination"
REFUSED_STREAM_CODE: Final = 7
CONNECT_ERROR_CODE: Final = 10

RESPONSE_FLAGS: Final[Mapping[str, str]] = {
    "local connection failure": "UF",
    "remote connection failure": "UF",
    "connection timeout": "UF",
    "connection termination": "UC",
    "local reset": "LR",
    "overflow": "UO",
    "remote reset": "UR",
    "remote refused stream reset": "UR",
    "remote error with CONNECT request": "UR",
    "protocol error": "UPE",
}
"""Reset reason -> response flag (``streamResetReasonToResponseFlag``)."""

RESETS: Final[Mapping[str, Mapping[str, str]]] = {
    "HTTP/1.1": {
        "reset": CONNECTION_TERMINATION,
        "close": CONNECTION_TERMINATION,
        "garbage": "protocol error",
        "partial": "protocol error",
    },
    "HTTP/2": {
        "reset": CONNECTION_TERMINATION,
        "close": CONNECTION_TERMINATION,
        "garbage": CONNECTION_TERMINATION,
        "partial": "remote reset",
    },
}
"""What the codec makes of an upstream's behaviour: protocol -> action -> reset reason."""

NOT_LISTED: Final = frozenset({"host", "content-length", "transfer-encoding"})
NOT_LISTED_H2: Final = NOT_LISTED | {"connection", "upgrade", "keep-alive", "proxy-connection"}
NO_CONNECT: Final = Connecting()


@dataclass(frozen=True, slots=True)
class Reset:
    """The attempt ended without (the rest of) an answer."""

    reason: str
    transport_failure: str = ""


@dataclass(slots=True)
class Exchange:
    """What the attempts of one request share."""

    stream: Stream
    cluster: Cluster
    resources: ResourceManager
    script: Script
    priority: str
    tls_options: upstream_tls.TransportOptions = upstream_tls.NO_OPTIONS
    raw_tcp: bool = False
    """CONNECT is ended here and its payload goes to the upstream as plain TCP."""
    auto_host_rewrite: bool = False
    append_x_forwarded_host: bool = False
    envoy_headers: bool = True


@dataclass(slots=True, eq=False)
class UpstreamRequest:
    """One attempt in flight."""

    exchange: Exchange
    host: Host
    number: int
    due_ms: float = NEVER
    """When ``advance`` has news."""
    record: Attempt | None = None
    pool: ConnectionPool | None = None
    ticket: Ticket | None = None
    protocol: str = "HTTP/1.1"
    behaviour: Behaviour | None = None
    outcome: Connecting = NO_CONNECT
    ready_ms: float = NEVER
    """When the request went out (``onPoolReady``): per-try timers run from here."""
    awaiting_headers: bool = True
    retried: bool = False
    timeout_reported: bool = False
    overflowed_pending: bool = False
    done: bool = False
    sent: bool = False
    per_try_due_ms: float = NEVER
    per_try_idle_due_ms: float = NEVER
    max_duration_due_ms: float = NEVER
    tunnel: bool = field(default=False)

    def begin(self, now_ms: float) -> None:
        """Ask the pool for a connection (``newStream``)."""
        exchange = self.exchange
        key, socket, protocol = pool_of(exchange, self.host)
        self.protocol = protocol
        pool = self.pool = exchange.stream.state.slot(key, lambda: _new_pool(exchange, protocol))
        self.outcome = self._connecting(socket, protocol)
        if self.outcome.failure:
            pool.close_all()
        self.ticket = pool.new_stream(self.outcome, now_ms)
        self._look_at_ticket(now_ms)

    def _connecting(self, socket: upstream_tls.TransportSocket, protocol: str) -> Connecting:
        """Decide how a new connection to the host would turn out."""
        exchange, endpoint = self.exchange, self.host.endpoint
        script, cluster = exchange.script, exchange.cluster
        if not exchange.stream.world.upstreams and not exchange.stream.request.upstream and not socket.tls:
            if not exchange.stream.request.upstream_by_endpoint:
                return PLAIN_CONNECT[protocol]
        upstream = script.nature(endpoint, cluster.name)
        if (behaviour := script.meets_connection(endpoint, cluster.name)) is not None:
            if behaviour.action == "refuse":
                return Connecting(
                    behaviour.delay_ms, "remote connection failure", "delayed connect error: Connection refused"
                )
            return Connecting(cluster.connect_timeout_ms, "connection timeout")
        if not socket.tls:
            return PLAIN_CONNECT[protocol if protocol != "auto" else "HTTP/1.1"]
        sni = upstream_tls.server_name(socket, self.host, exchange.tls_options)
        failure = upstream_tls.handshake_failure(socket, sni, exchange.tls_options, upstream)
        if failure is not None:
            return Connecting(0.0, "remote connection failure", failure)
        if protocol != "auto":
            return PLAIN_CONNECT[protocol]
        offered = socket.alpn or ("h2", "http/1.1")
        return PLAIN_CONNECT["HTTP/2" if upstream_tls.negotiated_alpn(offered, upstream) == "h2" else "HTTP/1.1"]

    def advance(self, now_ms: float) -> Reset | Response | None:
        """Return what happened by ``now_ms``: a reset, the answer, or ``None`` to go on waiting."""
        ticket, pool = self.ticket, self.pool
        assert ticket is not None and pool is not None
        if self.behaviour is None and not self.sent:
            if ticket.waiting:
                pool.advance(now_ms)
                self._look_at_ticket(now_ms)
                if ticket.waiting:
                    return None
            if ticket.failure:
                return self._pool_failure(ticket)
            if self.due_ms > now_ms:
                return None
        return self._upstream_event(now_ms)

    def _look_at_ticket(self, now_ms: float) -> None:
        ticket, pool = self.ticket, self.pool
        assert ticket is not None and pool is not None
        if ticket.waiting:
            self.due_ms = pool.next_ms(now_ms)
        elif ticket.failure:
            self.due_ms = now_ms
        else:
            self._pool_ready(now_ms)

    def _pool_failure(self, ticket: Ticket) -> Reset:
        self.done = True
        self.due_ms = NEVER
        if ticket.failure != "overflow":
            result = "connect_timeout" if ticket.failure == "connection timeout" else "refused"
            self._record(self.exchange.stream, self.protocol, result)
        return Reset(ticket.failure, ticket.transport_failure)

    def _pool_ready(self, now_ms: float) -> None:
        """Send the request and meet the upstream's behaviour (``onPoolReady``)."""
        exchange, ticket = self.exchange, self.ticket
        assert ticket is not None and ticket.connection is not None
        stream = exchange.stream
        self.sent = True
        self.ready_ms = now_ms
        self.protocol = ticket.connection.outcome.protocol
        if exchange.auto_host_rewrite and self.host.hostname:
            update_authority(stream.headers, self.host.hostname, exchange)
        if exchange.raw_tcp:
            self.due_ms = now_ms
            return
        upstream = exchange.script.nature(self.host.endpoint, exchange.cluster.name)
        socket_tls = exchange.cluster.transport_sockets.resolve(self.host).tls
        if upstream.tls and not socket_tls:
            self._record(stream, self.protocol, "refused")
            self.behaviour = Behaviour("close")
            self.due_ms = now_ms
            return
        if upstream.protocol is not None and upstream.protocol != self.protocol:
            self._record(stream, self.protocol, "refused")
            self.behaviour = Behaviour("garbage")
            self.due_ms = now_ms
            return
        behaviour = self.behaviour = exchange.script.meets_request(self.host.endpoint, exchange.cluster.name)
        self._record(stream, self.protocol, "")
        if behaviour.action == "hang":
            self.due_ms = NEVER
        else:
            self.due_ms = now_ms + behaviour.delay_ms
        ticket.connection.free_at_ms = self.due_ms

    def _record(self, stream: Stream, protocol: str, result: str) -> None:
        headers, upgraded = stream.headers, False
        if protocol == "HTTP/2":
            upgraded = bool(stream.upgrade) and "upgrade" in headers
            hidden = NOT_LISTED_H2
        else:
            hidden = NOT_LISTED
        sent: Pairs = tuple([p for p in headers.items if p[0][0] != ":" and p[0] not in hidden])
        if self.number > 1:
            sent = tuple([(n, "*") if n == "x-envoy-expected-rq-timeout-ms" else (n, v) for n, v in sent])
        self.record = Attempt(
            self.exchange.cluster.name if self.host.cluster_name is None else self.host.cluster_name,
            self.host.endpoint,
            self.ready_ms if self.sent else stream.state.now_ms,
            protocol,
            "CONNECT" if upgraded else headers.get(":method"),
            headers.get(":scheme"),
            headers.get(":path") or "",
            headers.get(":authority"),
            sent,
            result,
        )
        stream.attempts.append(self.record)

    def _upstream_event(self, now_ms: float) -> Reset | Response | None:
        if self.exchange.raw_tcp:
            self.awaiting_headers = False
            self.due_ms = NEVER
            self.tunnel = True
            self.finish(now_ms, close=True)
            return Response(200, HeaderMap())
        behaviour = self.behaviour
        if behaviour is None:
            return None
        action = behaviour.action
        if action == "h2_reset" and self.protocol == "HTTP/2":
            reason = {REFUSED_STREAM_CODE: "remote refused stream reset", CONNECT_ERROR_CODE: "remote error with CONNECT request"}.get(
                behaviour.reset_code, "remote reset"
            )
            return self._reset(reason, now_ms, close=False)
        if action in ("reset", "close", "garbage"):
            return self._reset(RESETS[self.protocol][action], now_ms, close=True)
        if not self.awaiting_headers:
            # Headers went by already: this is the cut within the body.
            return self._reset(RESETS[self.protocol]["partial"], now_ms, close=True)
        response = self._answer(behaviour)
        if response is None:
            return self._reset("protocol error", now_ms, close=False)
        self.awaiting_headers = False
        if self.record is not None:
            self.record.result = str(response.status)
        if action == "partial":
            self.due_ms = now_ms
        elif action == "stall":
            self.due_ms = NEVER
        else:
            self.due_ms = NEVER
            keep = self.protocol == "HTTP/2" or not _closes(response)
            self.finish(now_ms, close=not keep)
        return response

    def _answer(self, behaviour: Behaviour) -> Response | None:
        """Build the answer as the codec hands it on; ``None`` where the codec refuses it."""
        stream = self.exchange.stream
        headers = HeaderMap([(n.lower(), v) for n, v in behaviour.headers])
        body, status = behaviour.body, behaviour.status
        if behaviour.grpc_status is not None:
            headers.items += [("content-type", "application/grpc"), ("grpc-status", str(behaviour.grpc_status))]
            body = ""
        method = stream.headers.get(":method")
        upgraded = self.protocol == "HTTP/2" and bool(stream.upgrade) and method != "CONNECT"
        if method == "HEAD" or status in (204, 304) or (body == ECHO and (method == "CONNECT" or upgraded or status == 101)):
            body = ""
        if self.protocol == "HTTP/2":
            if status == 101:
                return None
            if upgraded and status == 200:
                status, body = 101, ""
                headers.items += [("upgrade", stream.headers.get("upgrade") or ""), ("connection", "upgrade")]
        if body and body != ECHO and "content-length" not in headers and not behaviour.trailers:
            headers.items.append(("content-length", str(len(body.encode()))))
        trailers = HeaderMap([(n.lower(), v) for n, v in behaviour.trailers]) if behaviour.trailers else None
        return Response(status, headers, body, trailers, cut=behaviour.action in ("partial", "stall"))

    def _reset(self, reason: str, now_ms: float, *, close: bool) -> Reset:
        self.due_ms = NEVER
        self.finish(now_ms, close=close)
        if self.record is not None and not self.record.result:
            self.record.result = "reset"
        return Reset(reason)

    def abandon(self, now_ms: float, result: str) -> None:
        """Reset the attempt from this side (``resetStream``): HTTP/1 loses the connection, HTTP/2 a stream."""
        if self.done:
            return
        if self.record is not None and not self.record.result:
            self.record.result = result
        self.finish(now_ms, close=self.protocol != "HTTP/2")

    def finish(self, now_ms: float, *, close: bool) -> None:
        """Give the connection back."""
        if self.done:
            return
        self.done = True
        self.per_try_due_ms = self.per_try_idle_due_ms = self.max_duration_due_ms = self.due_ms = NEVER
        ticket, pool = self.ticket, self.pool
        if ticket is None or pool is None:
            return
        if ticket.connection is not None:
            pool.release(ticket.connection, now_ms, close=close)
        else:
            pool.cancel(ticket)


PLAIN_CONNECT: Final[Mapping[str, Connecting]] = {
    "HTTP/1.1": Connecting(protocol="HTTP/1.1"),
    "HTTP/2": Connecting(protocol="HTTP/2"),
    "TCP": Connecting(protocol="TCP"),
    "auto": Connecting(protocol="HTTP/1.1"),
}


def pool_of(exchange: Exchange, host: Host) -> tuple[tuple[object, ...], upstream_tls.TransportSocket, str]:
    """Return the pool's key, the transport socket and the protocol (``ThreadLocalClusterManagerImpl::httpConnPoolImpl``)."""
    cluster, stream = exchange.cluster, exchange.stream
    socket = cluster.transport_sockets.resolve(host)
    protocol = "TCP" if exchange.raw_tcp else upstream_protocol(cluster, stream.protocol)
    options = exchange.tls_options if socket.tls else upstream_tls.NO_OPTIONS
    downstream = id(stream.connection) if cluster.connection_pool_per_downstream_connection else 0
    return ("pool", cluster.name, host.endpoint, exchange.priority, protocol, options, downstream), socket, protocol


def upstream_protocol(cluster: Cluster, downstream: str) -> str:
    """Return ``HTTP/1.1``, ``HTTP/2`` or ``auto`` (decided by ALPN) (``ClusterInfoImpl::upstreamHttpProtocol``)."""
    mode = cluster.http_protocol
    if mode == "downstream":
        return {"HTTP/1.0": "HTTP/1.1", "HTTP/3": "HTTP/2"}.get(downstream, downstream)
    return mode


def _new_pool(exchange: Exchange, protocol: str) -> ConnectionPool:
    exchange.resources.pools += 1
    cluster = exchange.cluster
    limit = cluster.http2_max_concurrent_streams if protocol in ("HTTP/2", "auto") else 1
    return ConnectionPool(exchange.resources, limit, cluster.max_requests_per_connection)


def update_authority(headers: HeaderMap, hostname: str, exchange: Exchange) -> None:
    """Rewrite the host to the endpoint's (``Http::Utility::updateAuthority``)."""
    old = headers.get(":authority")
    if old:
        if exchange.envoy_headers:
            headers.set("x-envoy-original-host", old)
        if exchange.append_x_forwarded_host:
            seen = [part.strip() for part in (headers.get("x-forwarded-host") or "").split(",")]
            if seen[-1] != old:
                headers.append("x-forwarded-host", old)
    headers.set(":authority", hostname)


def _closes(response: Response) -> bool:
    return "close" in (response.headers.get("connection") or "").lower()

