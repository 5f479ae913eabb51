"""ORIGINAL_DST clusters: the host is where the connection was going (``original_dst_cluster.cc``)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from ...model.address import Address, parse_address
from ..endpoints import original_destination_host
from ..host import Host
from .context import LbContext, NoHost

if TYPE_CHECKING:
    from ..cluster import Cluster

FILTER_STATE = "envoy.network.transport_socket.original_dst_address"


def choose_original_dst(cluster: Cluster, context: LbContext) -> Host | NoHost:
    """Take the address from filter state, metadata, a header, or the connection - the first there is."""
    config = cluster.type.original_dst
    assert config is not None
    stream = context.stream
    connection = context.connection or (stream.connection if stream is not None else None)
    address, bad = _from_filter_state(context), ""
    if address is None and config.metadata_key and stream is not None:
        address, bad = _parse(_walk(stream.metadata.get(config.metadata_key), config.metadata_path))
    if address is None and config.use_http_header and stream is not None:
        address, bad = _parse(stream.headers.get(config.http_header_name))
    if address is None and connection is not None and connection.restored:
        address = connection.local
    if address is None:
        why = f"`{bad}` is not an `ip:port`" if bad else "no listener filter restored an original destination"
        return NoHost(why, cluster.ref)
    if config.port_override is not None:
        address = Address(address.ip, config.port_override)
    return original_destination_host(cluster.name, address, cluster.ref)


def _from_filter_state(context: LbContext) -> Address | None:
    stream = context.stream
    value = stream.filter_state.get(FILTER_STATE) if stream is not None else None
    connection = context.connection or (stream.connection if stream is not None else None)
    if value is None and connection is not None:
        value = connection.filter_state.get(FILTER_STATE)
    if isinstance(value, Address):
        return value
    return _parse(value)[0] if isinstance(value, str) else None


def _parse(text: object) -> tuple[Address | None, str]:
    if not isinstance(text, str) or not text:
        return None, ""
    try:
        ip, port = parse_address(text)
        return Address(str(ip_address(ip)), port), ""
    except ValueError:
        return None, text


def _walk(value: object, path: tuple[str, ...]) -> object:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
