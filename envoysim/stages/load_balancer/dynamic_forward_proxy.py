"""Dynamic forward proxy clusters: the host is what the request names (``dynamic_forward_proxy/cluster.cc``)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from ...model.address import Address
from ..host import Host
from .context import LbContext, NoHost

if TYPE_CHECKING:
    from ..cluster import Cluster

HOST_STATE: Final = "envoy.upstream.dynamic_host"
PORT_STATE: Final = "envoy.upstream.dynamic_port"
NOTE: Final = "the name is resolved by DNS when it is asked for: it is assumed to resolve"


def choose_named_host(cluster: Cluster, context: LbContext) -> Host | NoHost:
    """Take host and port from filter state, the request's host, or the connection's SNI."""
    stream = context.stream
    connection = context.connection or (stream.connection if stream is not None else None)
    state = {**(connection.filter_state if connection is not None else {}), **(stream.filter_state if stream else {})}
    default = 443 if cluster.transport_sockets.default.tls else 80
    port = state.get(PORT_STATE)
    port = int(port) if isinstance(port, (int, str)) and str(port).isdigit() and 0 < int(port) <= 65535 else default
    dynamic = state.get(HOST_STATE)
    if isinstance(dynamic, str):
        text = dynamic
    elif stream is not None:
        text = stream.headers.get(":authority") or ""
    else:
        text = connection.server_name if connection is not None else ""
    if not text:
        return NoHost("the request names no host", cluster.ref)
    name, port = split_host(text, port)
    try:
        address = Address(str(ip_address(name)), port)
    except ValueError:
        return Host(f"{name}:{port}", None, cluster.name, cluster.ref, hostname=text)
    return Host(str(address), address, cluster.name, cluster.ref, hostname=text)


def split_host(text: str, default_port: int) -> tuple[str, int]:
    """Part a host from its port; brackets around an IPv6 address go (``normalizeHostForDfp``)."""
    if text.startswith("["):
        name, _, rest = text[1:].partition("]")
        return name, int(rest[1:]) if rest[1:].isdigit() else default_port
    name, colon, port = text.rpartition(":")
    if colon and port.isdigit() and ":" not in name:
        return name, int(port)
    return text, default_port
