"""Access logs of connections: what a tcp_proxy's and a listener's loggers write when a connection ends.

Source: ``TcpProxy::Filter::flushAccessLog``, ``ActiveStreamListenerBase::emitLogs``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from ..model.reply import Aborted
from .access_log import AccessLogger, Lines

if TYPE_CHECKING:
    from .network_filter import Context
    from .tcp_proxy import TcpEnd


def write_connection_log(context: Context, end: TcpEnd | Aborted, own: Sequence[AccessLogger] = ()) -> None:
    """Leave the lines with the connection: the listener's, then those of the filter that ended it (``own``)."""
    connection = context.connection
    loggers = tuple(chain(connection.listener.access_loggers, own))
    if not loggers:
        return
    stream = context.as_stream()
    stream.flags.extend(end.flags)
    if isinstance(end, Aborted):
        stream.details = end.details
    else:
        stream.cluster, stream.upstream_host = end.cluster, end.endpoint
        stream.attempts.extend(end.attempts)
        stream.facts["attempt_count"] = len(end.attempts)
        stream.upstream_transport_failure = end.transport_failure or None
    due = [logger for logger in loggers if logger.condition is None or logger.condition(stream, None)]
    connection.access_log = Lines(due, stream, None)
