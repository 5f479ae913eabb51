"""Requests that share a downstream connection: it keeps the listener, filter chain and identity its first request met.

The contract's ``connection.reuse`` names a connection; while it is open, addresses and TLS of later requests are moot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_dataclass import dataclass
from ..model.reply import Aborted, Response

if TYPE_CHECKING:
    from ..model.request import Request
    from ..model.world import State
    from .stream import DownstreamConnection, Telling


@dataclass(slots=True)
class Kept:
    """The open connection of one name."""

    connection: DownstreamConnection | None = None


def find_connection(request: Request, state: State, telling: Telling) -> DownstreamConnection | None:
    """Return the open connection the request asks to use again."""
    name = request.connection.reuse
    if name is None:
        return None
    connection = _kept(name, state).connection
    if connection is None or connection.hcm is None or connection.draining or connection.closed:
        return None
    listener, chain = connection.listener, connection.filter_chain
    telling.step(
        "listener",
        listener.ref,
        "the connection `{}` is used again: listener `{}`, filter chain `{}`",
        name,
        listener.name,
        chain.name if chain is not None else "",
    )
    return connection


def keep_connection(connection: DownstreamConnection, request: Request, state: State) -> None:
    """Remember a new connection under the name the request gives it."""
    name = request.connection.reuse
    if name is not None:
        _kept(name, state).connection = connection


def _kept(name: str, state: State) -> Kept:
    return state.slot(("downstream connection", name), Kept)


def end_request(connection: DownstreamConnection, end: Response | Aborted) -> None:
    """Note whether the connection outlives a request: HTTP/2 streams end alone, HTTP/1 may ask for the end of both."""
    multiplexed = connection.speaks in ("HTTP/2", "HTTP/3")
    if connection.draining:
        connection.closed = True
    elif isinstance(end, Aborted):
        connection.closed = not multiplexed or end.closed != "reset"
    elif not multiplexed:
        connection.closed = end.close or end.cut
