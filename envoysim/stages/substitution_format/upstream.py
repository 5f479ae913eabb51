"""Operators about route, cluster, upstream and outcome (``stream_info_formatter.cc``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

NO_CONNECTION: Final = frozenset({"refused", "connect_timeout"})
"""``Attempt.result`` where the upstream never answered the connect."""
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


def _bytes_received(stream: Stream) -> Value:
    """The body; what a TCP client sends is not known in bytes."""
    return len(stream.request.body.encode()) if stream.protocol else _payload(stream)


def _payload(stream: Stream) -> Value:
    return None if connected(stream) else 0


def _bytes_sent(stream: Stream, response: Response | None) -> Value:
    if not stream.protocol:
        return _payload(stream)
    if response is None or LOGGING not in stream.facts:
        return 0
    return None if response.body == ECHO else len(response.body.encode())


def connected(stream: Stream) -> bool:
    """Whether the last attempt had a connection: what is known of it is forgotten when the next one begins."""
    last = stream.attempts[-1] if stream.attempts else None
    return last is not None and last.endpoint == stream.upstream_host and last.result not in NO_CONNECTION


def _upstream_address(stream: Stream) -> Address | None:
    return _address(stream.upstream_host) if stream.upstream_host is not None and connected(stream) else None


def _address(endpoint: str) -> Address | None:
    try:
        return parse_address(endpoint)
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


def _host_name(stream: Stream) -> str | None:
    host = chosen_host(stream)
    return (host.hostname if host is not None else "") or stream.upstream_host


def _host_name_without_port(stream: Stream) -> Value:
    name = _host_name(stream)
    return _without_port(name) if name is not None else None


def _without_port(name: str) -> str:
    head, colon, port = name.rpartition(":")
    return head if colon and port.isdigit() and (":" not in head or head.endswith("]")) else name


def _attempted(write: Callable[[str, str], str | None]) -> Make:
    """The hosts tried: over TCP all of them, over HTTP the last attempt's, once it has a connection.

    ``write`` makes text of an endpoint and its name.
    """

    def read(stream: Stream) -> Value:
        if stream.protocol:
            hosts = [stream.upstream_host] if stream.upstream_host is not None and connected(stream) else []
        else:
            hosts = [attempt.endpoint for attempt in stream.attempts if attempt.endpoint is not None]
        names = _host_names(stream)
        return ",".join(text for text in (write(h, names.get(h) or h) for h in hosts) if text) or None

    return plain(read)


def _host_names(stream: Stream) -> dict[str, str]:
    cluster = stream.proxy.cluster(stream.cluster) if stream.cluster else None
    return {host.endpoint: host.hostname for host in cluster.hosts} if cluster is not None else {}


def _ip(endpoint: str, name: str) -> str | None:
    found = _address(endpoint)
    return found.ip if found is not None else None


def _cluster(stream: Stream) -> Value:
    return stream.cluster or None


def _cluster_observed(stream: Stream) -> Value:
    cluster = stream.proxy.cluster(stream.cluster) if stream.cluster else None
    return (cluster.observability_name if cluster is not None else stream.cluster) or None


def _protocol(stream: Stream) -> Value:
    protocol = stream.attempts[-1].protocol if stream.protocol and connected(stream) else "TCP"
    return protocol if protocol != "TCP" else None


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
    "BYTES_RECEIVED": plain(_bytes_received),
    "BYTES_SENT": _of_response(_bytes_sent),
    "UPSTREAM_HOST": plain(_host),
    "UPSTREAM_HOST_NAME": plain(_host_name),
    "UPSTREAM_HOST_NAME_WITHOUT_PORT": plain(_host_name_without_port),
    "UPSTREAM_HOSTS_ATTEMPTED": _attempted(lambda endpoint, name: endpoint),
    "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT": _attempted(_ip),
    "UPSTREAM_HOST_NAMES_ATTEMPTED": _attempted(lambda endpoint, name: name),
    "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT": _attempted(lambda endpoint, name: _without_port(name)),
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
    "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID": plain(lambda s: "" if _upstream_address(s) is not None else None),
    "UPSTREAM_FILTER_STATE": lambda argument, length: (lambda stream, response, body: None) if argument else None,
}
"""Operator -> how it is made."""

_TLS_ONLY: Final = """UPSTREAM_TLS_CIPHER UPSTREAM_TLS_GROUP UPSTREAM_TLS_VERSION UPSTREAM_TLS_SESSION_ID
    UPSTREAM_SERVER_NAME UPSTREAM_PEER_ISSUER UPSTREAM_PEER_CERT UPSTREAM_PEER_SUBJECT UPSTREAM_PEER_URI_SAN
    UPSTREAM_PEER_DNS_SAN UPSTREAM_PEER_IP_SAN UPSTREAM_LOCAL_URI_SAN UPSTREAM_LOCAL_DNS_SAN UPSTREAM_LOCAL_IP_SAN
    UPSTREAM_PEER_CERT_V_START UPSTREAM_PEER_CERT_V_END"""
TLS_ONLY: Final = frozenset(_TLS_ONLY.split())
"""They have a value only on TLS to the upstream, and then one that the dump does not tell."""
_COUNTED: Final = """UPSTREAM_CONNECTION_ID UPSTREAM_WIRE_BYTES_RECEIVED UPSTREAM_HEADER_BYTES_RECEIVED
    UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED UPSTREAM_WIRE_BYTES_SENT UPSTREAM_HEADER_BYTES_SENT
    UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT"""
_OF_SOCKET: Final = """UPSTREAM_CONNECTION_IDS_ATTEMPTED UPSTREAM_LOCAL_ADDRESS UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT
    UPSTREAM_LOCAL_PORT"""
OF_SOCKET: Final[Mapping[str, Value]] = {**dict.fromkeys(_COUNTED.split(), 0), **dict.fromkeys(_OF_SOCKET.split())}
"""Values of a socket to the upstream, which nothing tells -> what they are where there was none."""
_UNKNOWABLE: Final = """DOWNSTREAM_WIRE_BYTES_RECEIVED DOWNSTREAM_HEADER_BYTES_RECEIVED DOWNSTREAM_WIRE_BYTES_SENT
    DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED DOWNSTREAM_HEADER_BYTES_SENT
    DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT CONNECTION_ID HOSTNAME"""
UNKNOWABLE: Final = frozenset(_UNKNOWABLE.split())
"""Values of the machine and of sockets, which neither dump nor request tells."""
