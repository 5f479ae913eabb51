"""What an upstream makes of the bytes that come through a TCP proxy, and what comes back.

The client's bytes are an HTTP request, a TLS hello with such a request inside, or something else; an endpoint reads
what its nature lets it read, and closes on the rest.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..model.behaviour import ECHO, Behaviour
from ..model.outcome import Attempt
from .upstream_tls import negotiated_alpn

if TYPE_CHECKING:
    from ..model.behaviour import Upstream
    from ..model.outcome import Pairs
    from .cluster import Cluster
    from .load_balancer import Host
    from .network_filter import Context
    from .upstream_script import Script

NOT_LISTED: Final = frozenset(("host", "content-length", "transfer-encoding"))
HTTP: Final = frozenset(("HTTP/1.1", "HTTP/1.0", "HTTP/2"))


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back after ``after_ms``: an HTTP answer (``status``), other bytes, a close or a reset.

    ``attempt`` is ``None`` where the upstream could read no request.
    """

    attempt: Attempt | None = None
    after_ms: float = 0.0
    status: int | None = None
    headers: Pairs = ()
    body: str = ""
    trailers: Pairs = ()
    closed: str | None = None
    reset: bool = False
    stays_open: bool = False
    """The upstream says no more and keeps the connection."""


UNREADABLE: Final = Answer(closed="eof")
"""The endpoint cannot read what it gets, and closes."""


def read_bytes(context: Context, cluster: Cluster, host: Host, script: Script) -> Answer:
    """Let the endpoint read the client's bytes and act as scripted."""
    connection, telling = context.connection, context.telling
    nature = script.nature(host.endpoint, cluster.name)
    proxy_speaks_tls = cluster.transport_sockets.resolve(host).tls
    if connection.client_tls and not connection.tls:
        if proxy_speaks_tls or not nature.tls:
            telling.step(
                "upstream request", host.ref, "{} reads a TLS hello it does not expect, and closes", host.endpoint
            )
            if nature.tls is None:
                telling.assumed.append(f"{host.endpoint} speaks plaintext, as its cluster does")
            return UNREADABLE
        protocol = _protocol_inside(context, nature)
    else:
        if nature.tls and not proxy_speaks_tls:
            at = cluster.ref.at("transport_socket")
            telling.step("upstream request", at, "{} expects TLS and gets plaintext, and closes", host.endpoint)
            return UNREADABLE
        protocol = connection.speaks
    if protocol in HTTP and nature.protocol is not None and (protocol == "HTTP/2") != (nature.protocol == "HTTP/2"):
        telling.step("upstream request", host.ref, "{} does not speak {}, and closes", host.endpoint, protocol)
        return UNREADABLE
    behaviour = script.meets_request(host.endpoint, cluster.name)
    return _act(behaviour, _attempt(context, cluster, host, protocol), context)


def _protocol_inside(context: Context, nature: Upstream) -> str:
    """The client's TLS ends at the endpoint, which picks among the protocols the client offers."""
    speaks = context.connection.speaks
    if speaks not in HTTP:
        return speaks
    chosen = negotiated_alpn(context.connection.offered_alpn, nature)
    if chosen == "h2":
        return "HTTP/2"
    return "HTTP/1.1" if chosen and speaks == "HTTP/2" else speaks


def _attempt(context: Context, cluster: Cluster, host: Host, protocol: str) -> Attempt:
    """What the upstream reads: the client's request as it was sent."""
    request, name = context.request, host.cluster_name or cluster.name
    if protocol not in HTTP:
        return Attempt(name, host.endpoint, context.state.now_ms, "TCP")
    encrypted = context.connection.client_tls
    return Attempt(
        name,
        host.endpoint,
        context.state.now_ms,
        "HTTP/2" if protocol == "HTTP/2" else "HTTP/1.1",
        request.method,
        (request.scheme or ("https" if encrypted else "http")) if protocol == "HTTP/2" else None,
        request.path,
        request.authority,
        tuple((n.lower(), v) for n, v in request.headers if n.lower() not in NOT_LISTED),
    )


def _act(behaviour: Behaviour, attempt: Attempt, context: Context) -> Answer:
    action, after_ms = behaviour.action, behaviour.delay_ms
    if action == "h2_reset" and attempt.protocol == "HTTP/2":
        attempt.result = "reset"
        return Answer(attempt, after_ms, closed="reset")
    if action == "reset":
        return Answer(attempt, after_ms, closed="reset", reset=True)
    if action == "hang":
        attempt.result = "hang"
        return Answer(attempt, math.inf, closed="eof")
    if action in ("close", "garbage"):
        return Answer(attempt, after_ms, closed="eof")
    body = "" if behaviour.grpc_status is not None or context.request.method == "HEAD" else behaviour.body
    if attempt.protocol == "TCP":
        return Answer(attempt, after_ms, body="" if body == ECHO else body)
    cut = action in ("partial", "stall")
    return Answer(
        attempt,
        after_ms,
        behaviour.status,
        _headers(behaviour, body, attempt.protocol),
        "" if action == "stall" else body,
        behaviour.trailers,
        closed="eof" if cut else None,
        stays_open=action == "stall",
    )


def _headers(behaviour: Behaviour, body: str, protocol: str) -> Pairs:
    """The upstream's headers as it sends them; HTTP/1 adds the length of a body it knows."""
    headers = [(n.lower(), v) for n, v in behaviour.headers]
    if behaviour.grpc_status is not None:
        headers += [("content-type", "application/grpc"), ("grpc-status", str(behaviour.grpc_status))]
    elif protocol == "HTTP/1.1" and body and body != ECHO and not any(n == "content-length" for n, _ in headers):
        headers.append(("content-length", str(len(body.encode()))))
    return tuple(headers)
