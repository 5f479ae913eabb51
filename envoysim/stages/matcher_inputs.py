"""What matcher trees can look at: a literal table for requests, one for connections.

``source/common/http/matching/inputs.h``, ``source/extensions/matching/network/common/inputs.h``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..match.query_parameter_matcher import parse_and_decode_query
from ..match.value_matcher import metadata_value
from ..schema import Msg
from .matcher_predicate import Input, InputTable

if TYPE_CHECKING:
    from .stream import DownstreamConnection, Stream

NETWORK: Final = "envoy.extensions.matching.common_inputs.network.v3."
SSL: Final = "envoy.extensions.matching.common_inputs.ssl.v3."


def _of_connection(read: Callable[[DownstreamConnection], object]) -> Callable[[Msg], Input]:
    return lambda msg: read


def _of_stream(read: Callable[[Stream], object]) -> Callable[[Msg], Input]:
    return lambda msg: read


def _request_header(msg: Msg) -> Input:
    name = msg.header_name.lower()
    if name == "host":
        name = ":authority"
    return lambda stream: stream.headers.joined(name)


def _request_trailer(msg: Msg) -> Input:
    name = msg.header_name.lower()
    return lambda stream: stream.trailers.joined(name)


def _query_parameter(msg: Msg) -> Input:
    name = msg.query_param
    return lambda stream: parse_and_decode_query(stream.headers.get(":path") or "").get(name)


def _dynamic_metadata(msg: Msg) -> Input:
    filter_name, path = msg.filter, tuple(segment.key for segment in msg.path)
    return lambda data: metadata_value(data.metadata, filter_name, path)


def _filter_state(msg: Msg) -> Input:
    key, field = msg.key, msg.field

    def read(data: Any) -> object:
        connection = getattr(data, "connection", None)
        value = data.filter_state.get(key)
        if value is None and connection is not None:
            value = connection.filter_state.get(key)
        if field and isinstance(value, Mapping):
            value = value.get(field)
        return None if value is None else str(value)

    return read


def _same_ip_or_loopback(connection: DownstreamConnection) -> str | None:
    remote, local = connection.remote.ip, connection.local.ip
    return "local" if remote in ("127.0.0.1", "::1") or remote == local else None


def _application_protocols(connection: DownstreamConnection) -> str | None:
    protocols = connection.application_protocols
    return "'" + "','".join(protocols) + "'" if protocols else None


def _uri_san(connection: DownstreamConnection) -> str | None:
    certificate = connection.peer_certificate
    return ",".join(certificate.uri_sans) or None if certificate is not None else None


def _dns_san(connection: DownstreamConnection) -> str | None:
    certificate = connection.peer_certificate
    return ",".join(certificate.dns_sans) or None if certificate is not None else None


def _subject(connection: DownstreamConnection) -> str | None:
    certificate = connection.peer_certificate
    return certificate.subject or None if certificate is not None else None


_CONNECTION: Final[dict[str, Callable[[Any], object]]] = {
    NETWORK + "DestinationIPInput": lambda c: c.local.ip,
    NETWORK + "DestinationPortInput": lambda c: str(c.local.port),
    NETWORK + "SourceIPInput": lambda c: c.remote.ip,
    NETWORK + "SourcePortInput": lambda c: str(c.remote.port),
    NETWORK + "DirectSourceIPInput": lambda c: c.direct_remote.ip,
    NETWORK + "SourceTypeInput": _same_ip_or_loopback,
    NETWORK + "ServerNameInput": lambda c: c.server_name or None,
    NETWORK + "TransportProtocolInput": lambda c: c.transport_protocol or None,
    NETWORK + "ApplicationProtocolInput": _application_protocols,
    NETWORK + "NetworkNamespaceInput": lambda c: None,
    SSL + "UriSanInput": _uri_san,
    SSL + "DnsSanInput": _dns_san,
    SSL + "SubjectInput": _subject,
}

NETWORK_INPUTS: Final[InputTable] = {
    **{name: _of_connection(read) for name, read in _CONNECTION.items()},
    NETWORK + "FilterStateInput": _filter_state,
    NETWORK + "DynamicMetadataInput": _dynamic_metadata,
}
"""For filter chain matchers and network filters: the data is a ``DownstreamConnection``."""


def _through_stream(read: Callable[[Any], object]) -> Callable[[Stream], object]:
    return lambda stream: read(stream.connection)


HTTP_INPUTS: Final[InputTable] = {
    **{name: _of_stream(_through_stream(read)) for name, read in _CONNECTION.items()},
    # The request's own addresses: the connection manager may have taken the remote one from a header.
    NETWORK + "SourceIPInput": _of_stream(lambda stream: stream.remote.ip),
    NETWORK + "SourcePortInput": _of_stream(lambda stream: str(stream.remote.port)),
    NETWORK + "FilterStateInput": _filter_state,
    "envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput": _dynamic_metadata,
    "xds.type.matcher.v3.HttpAttributesCelMatchInput": _of_stream(lambda stream: "the request's attributes"),
    "envoy.type.matcher.v3.HttpRequestHeaderMatchInput": _request_header,
    "envoy.type.matcher.v3.HttpRequestTrailerMatchInput": _request_trailer,
    "envoy.type.matcher.v3.HttpRequestQueryParamMatchInput": _query_parameter,
}
"""For virtual hosts, RBAC and match delegates: the data is a ``Stream``."""
