"""From a finished stream or connection to the contract's outcome."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from ..model.outcome import Outcome
from ..model.reply import Aborted, Response
from .access_log import UNKNOWN

if TYPE_CHECKING:
    from .stream import DownstreamConnection, Stream
    from .tcp_proxy import TcpEnd

DROPPED: Final = frozenset(("date", "connection", "transfer-encoding", "keep-alive", ":status"))
STARRED: Final = frozenset(("x-request-id", "x-envoy-upstream-service-time"))


def tell_stream(stream: Stream, end: Response | Aborted, access_log: Sequence[str]) -> Outcome:
    """Write down how a request ended, and what is logged of it."""
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
        endpoint=stream.upstream_host,
        attempts=attempts,
        mirrors=tuple(stream.mirrors),
        response_flags=tuple(stream.flags),
        response_code_details=stream.details,
        access_log=access_log,
    )
    if isinstance(end, Aborted):
        if end.closed == UNKNOWN:
            outcome.unknown = end.details
            return outcome
        outcome.closed = end.closed  # type: ignore[assignment]  # the stages use the contract's words
        return outcome
    outcome.status = end.status
    outcome.response_code_details = end.details if stream.details is None else stream.details
    outcome.headers = _response_headers(end.headers.items)
    outcome.body = "" if stream.request.method == "HEAD" else end.body
    if stream.protocol == "HTTP/2":
        _as_http2(stream, outcome)
    elif not outcome.body and _is_empty(stream, end):
        outcome.headers += (("content-length", "0"),)
    if end.trailers is not None and _sends_trailers(stream, end):
        outcome.trailers = tuple(end.trailers.items)
    return outcome


def _sends_trailers(stream: Stream, response: Response) -> bool:
    """HTTP/1 sends trailers after chunks, where configured so (``StreamEncoderImpl::encodeTrailersBase``)."""
    if stream.protocol not in ("HTTP/1.1", "HTTP/1.0"):
        return True
    bodiless = stream.request.method == "HEAD" or response.status in (204, 304)
    chunked = stream.protocol == "HTTP/1.1" and not bodiless and "content-length" not in response.headers
    return stream.hcm.http1_trailers and chunked


def _as_http2(stream: Stream, outcome: Outcome) -> None:
    """An accepted upgrade is a plain 200 there (``transformUpgradeResponseFromH1toH2``)."""
    if stream.upgrade and any(name == "upgrade" for name, _ in outcome.headers):
        outcome.status = 200 if outcome.status == 101 else outcome.status
        outcome.headers = tuple(pair for pair in outcome.headers if pair[0] != "upgrade")


def _is_empty(stream: Stream, response: Response) -> bool:
    """Tell whether HTTP/1's codec says with a length that there is no body (``encodeHeadersBase``)."""
    method, status = stream.request.method, response.status
    return not (
        response.cut
        or response.trailers is not None
        or status < 200
        or status in (204, 304)
        or method == "HEAD"
        or (method == "CONNECT" and status == 200)
        or "content-length" in response.headers
    )


def _cluster_name(stream: Stream) -> str | None:
    """Return UPSTREAM_CLUSTER: the name a cluster has in logs."""
    cluster = stream.proxy.cluster(stream.cluster) if stream.cluster else None
    return cluster.observability_name if cluster is not None else stream.cluster


def _response_headers(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple([(n, "*" if n in STARRED else v.strip(" \t")) for n, v in pairs if n not in DROPPED])


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
        outcome.access_log = connection.access_log
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
        access_log=connection.access_log,
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
