"""Operators that read metadata and filter state (``stream_info_formatter.cc``, ``extensions/formatter/metadata``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from ..metadata import filter_metadata
from .http import Make
from .upstream import chosen_host
from .values import Extract, Value, as_json

if TYPE_CHECKING:
    from ...model.reply import Response
    from ..stream import Stream

Read = Callable[["Stream"], "Mapping[str, object] | None"]


def _dynamic(stream: Stream) -> Mapping[str, object] | None:
    own, connection = stream.metadata, stream.connection.metadata
    return own if not connection else {**connection, **own}


def _cluster(stream: Stream) -> Mapping[str, object] | None:
    resource = stream.proxy.dump.clusters.get(stream.cluster) if stream.cluster else None
    return filter_metadata(resource.message()) if resource is not None else None


def _host(stream: Stream) -> Mapping[str, object] | None:
    host = chosen_host(stream)
    return host.metadata if host is not None else None


def _route(stream: Stream) -> Mapping[str, object] | None:
    return stream.route.metadata if stream.route is not None else None


def _virtual_host(stream: Stream) -> Mapping[str, object] | None:
    return stream.virtual_host.metadata if stream.virtual_host is not None else None


def _listener(stream: Stream) -> Mapping[str, object] | None:
    return stream.connection.listener.metadata


def _filter_chain(stream: Stream) -> Mapping[str, object] | None:
    chain = stream.connection.filter_chain
    return chain.metadata if chain is not None else None


SOURCES: Final[Mapping[str, Read]] = {
    "DYNAMIC": _dynamic,
    "CLUSTER": _cluster,
    "ROUTE": _route,
    "UPSTREAM_HOST": _host,
    "LISTENER": _listener,
    "LISTENER_FILTER_CHAIN": _filter_chain,
    "VIRTUAL_HOST": _virtual_host,
}


def _metadata(read: Read) -> Make:
    def make(argument: str, length: int | None) -> Extract | None:
        path = argument.split(":")

        def extract(stream: Stream, response: Response | None, body: str) -> Value:
            value: object = read(stream)
            for key in path:
                if not isinstance(value, Mapping):
                    return None
                value = value.get(key)
            return value[:length] if isinstance(value, str) else value

        return extract if argument else None

    return make


def _typed_metadata(argument: str, length: int | None) -> Extract | None:
    """``%METADATA(TYPE:namespace:key)%``."""
    kind, _, rest = argument.partition(":")
    read = SOURCES.get(kind)
    return _metadata(read)(rest, length) if read is not None else None


def _filter_state(argument: str, length: int | None) -> Extract | None:
    """``%FILTER_STATE(key:PLAIN|TYPED|FIELD:field)%``: typed (the default) text is a JSON string."""
    key, _, rest = argument.partition(":")
    kind, _, field = rest.partition(":")
    if not key or kind not in ("", "PLAIN", "TYPED", "FIELD") or (kind == "FIELD") != bool(field):
        return None

    def extract(stream: Stream, response: Response | None, body: str) -> Value:
        value = stream.filter_state.get(key)
        if value is None:
            value = stream.connection.filter_state.get(key)
        if kind == "FIELD" and value is not None:
            value = value.get(field) if isinstance(value, Mapping) else getattr(value, field, None)
        if value is None or kind in ("", "TYPED") or isinstance(value, str):
            return value[:length] if isinstance(value, str) else value
        return as_json(value)[:length]

    return extract


OPERATORS: Final[Mapping[str, Make]] = {
    "DYNAMIC_METADATA": _metadata(_dynamic),
    "CLUSTER_METADATA": _metadata(_cluster),
    "UPSTREAM_METADATA": _metadata(_host),
    "METADATA": _typed_metadata,
    "FILTER_STATE": _filter_state,
}
