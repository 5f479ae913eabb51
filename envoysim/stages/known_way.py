"""Connections that equal an earlier one go its way: listener, listener filters, filter chain, handshake.

The way of a connection is a function of the compiled proxy and of what the client does, as long as nothing on it asks
chance or keeps count. Many requests come over connections that differ in nothing, so the first one's way is kept, with
the steps that tell it.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from ..lazy_dataclass import dataclass
from . import listener_filters, network_filter
from .http_connection_manager import HttpConnectionManager
from .stream import DownstreamConnection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.request import Connection, Request
    from ..model.trace import Step
    from .stream import Telling

MOST_WAYS: Final = 4096
FORGETFUL: Final = (
    listener_filters.OriginalDst,
    listener_filters.ProxyProtocol,
    listener_filters.TlsInspector,
    listener_filters.HttpInspector,
    listener_filters.Passes,
    network_filter.Passes,
    HttpConnectionManager,
)
"""Filters for which every connection is the first one."""
CARRIED: Final = (
    "listener",
    "direct_local",
    "direct_remote",
    "local",
    "remote",
    "speaks",
    "client_tls",
    "offered_alpn",
    "client_certificate",
    "restored",
    "proxy_header",
    "handed_on_by",
    "transport_protocol",
    "server_name",
    "application_protocols",
    "filter_chain",
    "tls",
    "alpn",
    "peer_certificate",
    "hcm",
)
"""What a connection is made of when its connection manager gets it; everything else is as it is at birth."""
_carried: Final = attrgetter(*CARRIED)


@dataclass(frozen=True, slots=True)
class Way:
    """Where a connection came out, and what was said on the way."""

    at_ms: float
    connection: dict[str, Any]
    steps: tuple[Step, ...]
    assumed: tuple[str, ...]


class KnownWays:
    """The ways of one proxy's connections to their connection managers."""

    __slots__ = ("_ways",)

    def __init__(self) -> None:
        self._ways: dict[Connection, Way] = {}

    def take(self, request: Request, telling: Telling) -> DownstreamConnection | None:
        """Return the connection as its connection manager gets it, if an equal one was there; tell its steps again."""
        way = self._ways.get(request.connection)
        if way is None or telling.explain:
            return None
        telling.repeat(way.steps, way.at_ms)
        telling.assumed += way.assumed
        return DownstreamConnection(**way.connection)

    def keep(self, request: Request, connection: DownstreamConnection, telling: Telling) -> None:
        """Remember the way of a connection that has just met its connection manager, if any equal one goes it too."""
        told = telling.steps and not (telling.explain or telling.notes or telling.stats)
        if not told or not _repeats(request.connection, connection):
            return
        if len(self._ways) >= MOST_WAYS:
            self._ways.clear()
        carried = dict(zip(CARRIED, _carried(connection), strict=True))
        self._ways[request.connection] = Way(telling.now_ms, carried, tuple(telling.steps), tuple(telling.assumed))


def _repeats(wanted: Connection, connection: DownstreamConnection) -> bool:
    """Tell whether the connection is nobody's second one, took no time, and met nothing that remembers or draws."""
    chain, listener, first = connection.filter_chain, connection.listener, connection.handed_on_by
    if wanted.reuse is not None or wanted.protocol == "TCP" or connection.waited_ms or chain is None:
        return False
    if listener.chains.matcher is not None or not _forgetful(chain.filters) or not _forgetful(listener.filters):
        return False
    return first is None or _forgetful(first.filters)


def _forgetful(filters: Iterable[object]) -> bool:
    return all(isinstance(entry, FORGETFUL) for entry in filters)
