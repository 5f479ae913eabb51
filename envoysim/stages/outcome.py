"""From a finished stream or connection to the contract's outcome."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ..model.outcome import Outcome
from ..model.reply import Aborted, Response

if TYPE_CHECKING:
    from .stream import DownstreamConnection, Stream
    from .tcp_proxy import TcpEnd

DROPPED: Final = frozenset(("date", "connection", "transfer-encoding", "keep-alive", ":status"))
STARRED: Final = frozenset(("x-request-id", "x-envoy-upstream-service-time"))
UNKNOWN: Final = "unknown"
"""``Aborted.closed`` where the configuration cannot settle the outcome; its ``details`` say what would."""


def tell_stream(stream: Stream, end: Response | Aborted) -> Outcome:
    """Write down how a request ended."""
    connection = stream.connection
    chain, table, host, route = connection.filter_chain, stream.route_configuration, stream.virtual_host, stream.route
    attempts = tuple(stream.attempts)
    outcome = Outcome(
        listener=connection.listener.name,
        filter_chain=chain.name if chain is not None else None,
        route_config=table.name if table is not None else None,
        virtual_host=host.name if host is not None else None,
        route=route.name if route is not None else None,
        route_ref=route.ref if route is not None else None,
        virtual_cluster=stream.virtual_cluster,
        cluster=_cluster_name(stream),
        endpoint=attempts[-1].endpoint if attempts else stream.upstream_host,
        attempts=attempts,
        mirrors=tuple(stream.mirrors),
        response_flags=tuple(stream.flags),
        response_code_details=stream.details,
        access_log=_access_log(stream),
    )
    if isinstance(end, Aborted):
        if end.closed == UNKNOWN:
            outcome.unknown = end.details
            return outcome
        for flag in end.flags:
            if flag not in outcome.response_flags:
                outcome.response_flags += (flag,)
        outcome.response_code_details = end.details or outcome.response_code_details
        outcome.closed = end.closed  # type: ignore[assignment]  # the stages use the contract's words
        return outcome
    outcome.status = end.status
    outcome.response_code_details = end.details if stream.details is None else stream.details
    outcome.headers = _response_headers(end.headers.items)
    outcome.body = "" if stream.request.method == "HEAD" else end.body
    outcome.trailers = tuple(end.trailers.items) if end.trailers is not None else ()
    return outcome


def _cluster_name(stream: Stream) -> str | None:
    """Return UPSTREAM_CLUSTER: the name a cluster has in logs."""
    cluster = stream.proxy.cluster(stream.cluster) if stream.cluster else None
    return cluster.observability_name if cluster is not None else stream.cluster


def _response_headers(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((n, "*" if n in STARRED else v.strip(" \t")) for n, v in pairs if n not in DROPPED)


def _access_log(stream: Stream) -> tuple[str, ...]:
    lines = stream.facts.get("access_log")
    return lines if isinstance(lines, tuple) else ()


def tell_closed(connection: DownstreamConnection | None, end: Aborted) -> Outcome:
    """Write down a connection that ended before a request was read."""
    outcome = Outcome(
        closed=None if end.closed == UNKNOWN else end.closed,  # type: ignore[arg-type]  # the contract's words
        response_flags=end.flags,
        response_code_details=end.details,
    )
    if end.closed == UNKNOWN:
        outcome.unknown, outcome.response_code_details = end.details, None
    if connection is not None:
        outcome.listener = connection.listener.name
        outcome.access_log = tuple(connection.access_log)
        chain = connection.filter_chain
        outcome.filter_chain = chain.name if chain is not None else None
    return outcome


def tell_tcp(connection: DownstreamConnection, end: TcpEnd) -> Outcome:
    """Write down a proxied TCP connection."""
    chain = connection.filter_chain
    return Outcome(
        status=end.status,
        closed=end.closed,  # type: ignore[arg-type]  # the contract's words
        response_flags=end.flags,
        response_code_details=end.details,
        access_log=tuple(connection.access_log),
        listener=connection.listener.name,
        filter_chain=chain.name if chain is not None else None,
        cluster=end.cluster,
        endpoint=end.endpoint,
        attempts=end.attempts,
        headers=_response_headers(end.headers),
        body=end.body,
        trailers=end.trailers,
        unknown=end.unknown,
    )
