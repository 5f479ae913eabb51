"""Operators about route, cluster, upstream and outcome (``stream_info_formatter.cc``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ...model.address import Address, parse_address
from ...model.behaviour import ECHO
from .connection import address, plain
from .http import Make
from .values import LOGGING, Extract, Value, response_code

if TYPE_CHECKING:
    from ...model.reply import Response
    from ..host import Host
    from ..stream import Stream

FLAG_NAMES: Final[Mapping[str, str]] = {
    "LH": "FailedLocalHealthCheck",
    "UH": "NoHealthyUpstream",
    "UT": "UpstreamRequestTimeout",
    "LR": "LocalReset",
    "UR": "UpstreamRemoteReset",
    "UF": "UpstreamConnectionFailure",
    "UC": "UpstreamConnectionTermination",
    "UO": "UpstreamOverflow",
    "NR": "NoRouteFound",
    "DI": "DelayInjected",
    "FI": "FaultInjected",
    "RL": "RateLimited",
    "UAEX": "UnauthorizedExternalService",
    "RLSE": "RateLimitServiceError",
    "DC": "DownstreamConnectionTermination",
    "URX": "UpstreamRetryLimitExceeded",
    "SI": "StreamIdleTimeout",
    "IH": "InvalidEnvoyRequestHeaders",
    "DPE": "DownstreamProtocolError",
    "UMSDR": "UpstreamMaxStreamDurationReached",
    "RFCF": "ResponseFromCacheFilter",
    "NFCF": "NoFilterConfigFound",
    "DT": "DurationTimeout",
    "UPE": "UpstreamProtocolError",
    "NC": "NoClusterFound",
    "OM": "OverloadManagerTerminated",
    "DF": "DnsResolutionFailed",
    "DO": "DropOverload",
    "DR": "DownstreamRemoteReset",
    "UDO": "UnconditionalDropOverload",
}
"""Short flag -> long name (``source/common/stream_info/utility.h``)."""


def _of_response(read: object) -> Make:
    def make(argument: str, length: int | None) -> Extract | None:
        assert callable(read)
        return None if argument else lambda stream, response, body: read(stream, response)

    return make


def _code(stream: Stream, response: Response | None) -> Value:
    return response_code(stream, response) or 0


def _details(argument: str, length: int | None) -> Extract | None:
    def extract(stream: Stream, response: Response | None, body: str) -> Value:
        details = stream.details if stream.details is not None else response.details if response is not None else None
        if details is None or argument == "ALLOW_WHITESPACES":
            return details or None
        return "".join("_" if char.isspace() else char for char in details) or None

    return extract


def _bytes_sent(stream: Stream, response: Response | None) -> Value:
    if response is None or LOGGING not in stream.facts:
        return 0
    return "*" if response.body == ECHO else len(response.body.encode())


def _upstream_address(stream: Stream) -> Address | None:
    if stream.upstream_host is None:
        return None
    try:
        return parse_address(stream.upstream_host)
    except ValueError:
        return None  # a pipe, or a hostname that was not resolved


def chosen_host(stream: Stream) -> Host | None:
    """Return the last host that was tried."""
    cluster = stream.proxy.cluster(stream.cluster) if stream.cluster and stream.upstream_host else None
    if cluster is None:
        return None
    return next((host for host in cluster.hosts if host.endpoint == stream.upstream_host), None)


def _host(stream: Stream) -> Value:
    return stream.upstream_host


def _host_name(stream: Stream) -> Value:
    host = chosen_host(stream)
    return (host.hostname if host is not None else "") or stream.upstream_host


def _host_name_without_port(stream: Stream) -> Value:
    name = _host_name(stream)
    if not isinstance(name, str):
        return None
    head, colon, port = name.rpartition(":")
    return head if colon and port.isdigit() and (":" not in head or head.endswith("]")) else name


def _cluster(stream: Stream) -> Value:
    return stream.cluster or None


def _cluster_observed(stream: Stream) -> Value:
    cluster = stream.proxy.cluster(stream.cluster) if stream.cluster else None
    return (cluster.observability_name if cluster is not None else stream.cluster) or None


def _protocol(stream: Stream) -> Value:
    return stream.attempts[-1].protocol if stream.attempts else None


def _route_name(stream: Stream) -> Value:
    return (stream.route.name or None) if stream.route is not None else None


def _attempts(stream: Stream) -> Value:
    return stream.facts.get("attempt_count", 0)


OPERATORS: Final[Mapping[str, Make]] = {
    **{f"UPSTREAM_REMOTE_{n}": m for n, m in address(_upstream_address).items()},
    "RESPONSE_CODE": _of_response(_code),
    "RESPONSE_CODE_DETAILS": _details,
    "RESPONSE_FLAGS": plain(lambda s: ",".join(s.flags) or "-"),
    "RESPONSE_FLAGS_LONG": plain(lambda s: ",".join(FLAG_NAMES.get(f, f) for f in s.flags) or "-"),
    "BYTES_RECEIVED": plain(lambda s: len(s.request.body.encode())),
    "BYTES_SENT": _of_response(_bytes_sent),
    "UPSTREAM_HOST": plain(_host),
    "UPSTREAM_HOST_NAME": plain(_host_name),
    "UPSTREAM_HOST_NAME_WITHOUT_PORT": plain(_host_name_without_port),
    "UPSTREAM_HOSTS_ATTEMPTED": plain(_host),
    "UPSTREAM_HOST_NAMES_ATTEMPTED": plain(_host_name),
    "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT": plain(_host_name_without_port),
    "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT": address(_upstream_address)["ADDRESS_WITHOUT_PORT"],
    "UPSTREAM_CLUSTER": plain(_cluster_observed),
    "UPSTREAM_CLUSTER_RAW": plain(_cluster),
    "UPSTREAM_REQUEST_ATTEMPT_COUNT": plain(_attempts),
    "UPSTREAM_PROTOCOL": plain(_protocol),
    "UPSTREAM_TRANSPORT_FAILURE_REASON": plain(
        lambda s: (s.upstream_transport_failure or "").replace(" ", "_") or None
    ),
    "ROUTE_NAME": plain(_route_name),
    "VIRTUAL_CLUSTER_NAME": plain(lambda s: s.virtual_cluster or None),
    "CONNECTION_TERMINATION_DETAILS": plain(lambda s: s.facts.get("connection_termination_details")),
    "CUSTOM_FLAGS": plain(lambda s: ""),
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON": plain(lambda s: None),
    "DOWNSTREAM_DETECTED_CLOSE_TYPE": plain(lambda s: "Normal"),
    "UPSTREAM_DETECTED_CLOSE_TYPE": plain(lambda s: "Normal" if s.upstream_host is not None else None),
    "DOWNSTREAM_LOCAL_CLOSE_REASON": plain(lambda s: None),
    "UPSTREAM_LOCAL_CLOSE_REASON": plain(lambda s: None),
    "BYTES_RETRANSMITTED": plain(lambda s: 0),
    "PACKETS_RETRANSMITTED": plain(lambda s: 0),
    "UNIQUE_ID": plain(lambda s: "*"),
    "STREAM_ID": plain(lambda s: s.headers.get("x-request-id")),
}
"""Operator -> how it is made. ``UPSTREAM_HOSTS_ATTEMPTED`` shows the last attempt's host alone over HTTP."""

_TLS_ONLY: Final = """UPSTREAM_TLS_CIPHER UPSTREAM_TLS_GROUP UPSTREAM_TLS_VERSION UPSTREAM_TLS_SESSION_ID
    UPSTREAM_SERVER_NAME UPSTREAM_PEER_ISSUER UPSTREAM_PEER_CERT UPSTREAM_PEER_SUBJECT UPSTREAM_PEER_URI_SAN
    UPSTREAM_PEER_DNS_SAN UPSTREAM_PEER_IP_SAN UPSTREAM_LOCAL_URI_SAN UPSTREAM_LOCAL_DNS_SAN UPSTREAM_LOCAL_IP_SAN
    UPSTREAM_PEER_CERT_V_START UPSTREAM_PEER_CERT_V_END"""
TLS_ONLY: Final = frozenset(_TLS_ONLY.split())
"""They have a value only on TLS to the upstream, and then one that the dump does not tell."""
_UNKNOWABLE: Final = """UPSTREAM_CONNECTION_ID UPSTREAM_CONNECTION_IDS_ATTEMPTED UPSTREAM_LOCAL_ADDRESS
    UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT UPSTREAM_LOCAL_PORT UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID
    UPSTREAM_WIRE_BYTES_RECEIVED UPSTREAM_HEADER_BYTES_RECEIVED UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED
    DOWNSTREAM_WIRE_BYTES_RECEIVED DOWNSTREAM_HEADER_BYTES_RECEIVED DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED
    UPSTREAM_WIRE_BYTES_SENT UPSTREAM_HEADER_BYTES_SENT UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT
    DOWNSTREAM_WIRE_BYTES_SENT DOWNSTREAM_HEADER_BYTES_SENT DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT CONNECTION_ID
    HOSTNAME DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID UPSTREAM_FILTER_STATE"""
UNKNOWABLE: Final = frozenset(_UNKNOWABLE.split())
"""Values of the machine and of sockets, which neither dump nor request tells."""
