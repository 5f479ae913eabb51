"""Operators that read metadata and filter state (``stream_info_formatter.cc``, ``extensions/formatter/metadata``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from .http import Make
from .values import Extract, Value, as_json, as_text, cut

if TYPE_CHECKING:
    from ...model.reply import Response
    from ..stream import Stream

Read = Callable[["Stream"], "Mapping[str, object] | None"]


def _dynamic(stream: Stream) -> Mapping[str, object] | None:
    own, connection = stream.metadata, stream.connection.metadata
    return own if not connection else {**connection, **own}


def _cluster(stream: Stream) -> Mapping[str, object] | None:
    cluster = stream.proxy.cluster(stream.cluster) if stream.cluster else None
    return getattr(cluster, "metadata", None)


def _host(stream: Stream) -> Mapping[str, object] | None:
    return getattr(stream.facts.get("upstream_host"), "metadata", None)


def _route(stream: Stream) -> Mapping[str, object] | None:
    return stream.route.metadata if stream.route is not None else None


def _virtual_host(stream: Stream) -> Mapping[str, object] | None:
    return getattr(stream.virtual_host, "metadata", None)


def _listener(stream: Stream) -> Mapping[str, object] | None:
    return getattr(stream.connection.listener, "metadata", None)


def _filter_chain(stream: Stream) -> Mapping[str, object] | None:
    return getattr(stream.connection.filter_chain, "metadata", None)


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
            if length is None or value is None or isinstance(value, (Mapping, list, tuple)):
                return value
            text = as_text(value)
            return text[:length] if len(text) > length else value

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
        if value is None or kind == "PLAIN":
            return cut(None if value is None else as_text(value), length)
        if kind == "FIELD":
            found = value.get(field) if isinstance(value, Mapping) else getattr(value, field, None)
            return cut(None if found is None else as_text(found), length)
        return cut(as_json(value), length)

    return extract


OPERATORS: Final[Mapping[str, Make]] = {
    "DYNAMIC_METADATA": _metadata(_dynamic),
    "CLUSTER_METADATA": _metadata(_cluster),
    "UPSTREAM_METADATA": _metadata(_host),
    "METADATA": _typed_metadata,
    "FILTER_STATE": _filter_state,
}
