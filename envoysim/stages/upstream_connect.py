"""Connecting to an endpoint: how it turns out, and which pool a request uses.

``connect`` is for TCP proxying, where every downstream connection has one of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..model.behaviour import Behaviour
from . import upstream_tls
from .circuit_breakers import ResourceManager, resource_manager
from .connection_pool import Connecting, ConnectionPool
from .upstream_script import Script

if TYPE_CHECKING:
    from ..model.world import State, World
    from .cluster import Cluster
    from .load_balancer import Host
    from .stream import Story

PLAIN_CONNECT: Final[Mapping[str, Connecting]] = {
    "HTTP/1.1": Connecting(protocol="HTTP/1.1"),
    "HTTP/2": Connecting(protocol="HTTP/2"),
    "HTTP/3": Connecting(protocol="HTTP/3"),
    "TCP": Connecting(protocol="TCP"),
    "auto": Connecting(protocol="HTTP/1.1"),
}
REFUSED: Final = "delayed connect error: Connection refused"


def connecting(
    script: Script,
    cluster: Cluster,
    host: Host,
    protocol: str,
    options: upstream_tls.TransportOptions,
    socket: upstream_tls.TransportSocket,
) -> Connecting:
    """Decide how a new connection to ``host`` turns out: refused, never accepted, TLS refused, or fine."""
    if script.says_nothing and (not socket.tls or protocol != "auto"):
        return PLAIN_CONNECT[protocol]
    behaviour = script.meets_connection(host.endpoint, cluster.name)
    if behaviour is not None:
        if behaviour.action == "refuse":
            return Connecting(behaviour.delay_ms, "remote connection failure", REFUSED)
        return Connecting(cluster.connect_timeout_ms, "connection timeout")
    if not socket.tls:
        return PLAIN_CONNECT[protocol]
    upstream = script.nature(host.endpoint, cluster.name)
    sni = upstream_tls.server_name(socket, host, options)
    failure = upstream_tls.handshake_failure(socket, sni, options, upstream)
    if failure is not None:
        return Connecting(0.0, "remote connection failure", failure)
    if protocol != "auto":
        return PLAIN_CONNECT[protocol]
    alpn = upstream_tls.negotiated_alpn(socket.alpn or ("h2", "http/1.1"), upstream)
    return PLAIN_CONNECT["HTTP/2" if alpn == "h2" else "HTTP/1.1"]


def mismatch(script: Script, world: World, cluster: Cluster, host: Host, protocol: str) -> Behaviour | None:
    """Return what an endpoint does with a request it cannot read: plaintext on a TLS port, the wrong HTTP."""
    if not world.upstreams:
        return None
    upstream = script.nature(host.endpoint, cluster.name)
    if upstream.tls and not cluster.transport_sockets.resolve(host).tls:
        return Behaviour("close")
    if upstream.protocol is not None and protocol != "TCP" and upstream.protocol != protocol:
        return Behaviour("garbage")
    return None


def upstream_protocol(cluster: Cluster, downstream: str) -> str:
    """Return the HTTP version, or ``auto`` where ALPN decides (``ClusterInfoImpl::upstreamHttpProtocol``)."""
    mode = cluster.http_protocol
    if mode == "downstream":
        return {"HTTP/1.0": "HTTP/1.1", "HTTP/3": "HTTP/2"}.get(downstream, downstream)
    return mode


def pool_key(
    cluster: Cluster,
    host: Host,
    priority: str,
    protocol: str,
    options: upstream_tls.TransportOptions,
    downstream: int = 0,
) -> tuple[object, ...]:
    """Return what tells a pool from others; ``downstream`` is the connection that has it for itself."""
    own = None if options is upstream_tls.NO_OPTIONS else options  # the usual ones need no hash of their own
    return ("pool", cluster.name, host.endpoint, priority, protocol, own, downstream)


def new_pool(cluster: Cluster, resources: ResourceManager, protocol: str) -> ConnectionPool:
    """Make the pool for one host and one set of options."""
    resources.pools += 1
    limit = 1 if protocol in ("HTTP/1.1", "TCP") else cluster.http2_max_concurrent_streams
    return ConnectionPool(resources, limit, cluster.max_requests_per_connection)


@dataclass(slots=True)
class TcpConnection:
    """A TCP connection to an upstream, or the reset reason why there is none.

    The connection counts for the cluster's breakers until ``close`` is called.
    """

    resources: ResourceManager
    failure: str = ""
    transport_failure: str = ""

    def close(self) -> None:
        """End the connection."""
        if not self.failure:
            self.resources.connections -= 1


def connect(
    cluster: Cluster,
    host: Host,
    script: Script,
    state: State,
    options: upstream_tls.TransportOptions = upstream_tls.NO_OPTIONS,
) -> Story[TcpConnection]:
    """Connect to ``host`` for a TCP proxy (``TcpConnPool``); ``failure`` is ``overflow`` where the breakers refuse.

    ``max_connections`` is the proxy's own to check, before it asks: ``resource_manager(...).connections``.
    """
    resources = resource_manager(state, cluster.name, cluster.circuit_breakers, "DEFAULT")
    if resources.pending >= resources.limits.max_pending_requests:
        return TcpConnection(resources, "overflow")
    outcome = connecting(script, cluster, host, "TCP", options, cluster.transport_sockets.resolve(host))
    if outcome.after_ms:
        resources.pending += 1
        yield state.now_ms + outcome.after_ms
        resources.pending -= 1
    if outcome.failure:
        return TcpConnection(resources, outcome.failure, outcome.transport_failure)
    resources.connections += 1
    return TcpConnection(resources)
