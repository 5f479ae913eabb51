"""``tcp_proxy``: a connection to a cluster, byte for byte (``source/common/tcp_proxy/tcp_proxy.cc``).

The contract lets a request's bytes be an HTTP request that only the upstream reads; the answer then comes back as it was sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..model.behaviour import PLAIN_REPLY, Behaviour
from ..model.outcome import Attempt
from ..schema import Msg, duration_ms, to_python
from .circuit_breakers import resource_manager
from .hash_policy import compile_hash_policies, compute_connection_hash
from .load_balancer import Host, LbContext, Unknown, choose_host
from .upstream_connect import TcpConnection, connect
from .upstream_script import Script

if TYPE_CHECKING:
    from ..model.ref import Ref
    from ..model.reply import Aborted
    from ..model.request import Request
    from ..model.world import State, World
    from .cluster import Cluster
    from .hash_policy import HashPolicies
    from .proxy import Proxy
    from .stream import DownstreamConnection, Story, Telling

DROPPED: Final = frozenset({"host", "content-length", "transfer-encoding"})
RESULTS: Final = {"remote connection failure": "refused", "connection timeout": "connect_timeout"}
"""How the contract calls a failed connect."""
CLUSTER_STATE: Final = "envoy.tcp_proxy.cluster"


@dataclass(frozen=True, slots=True)
class TcpProxy:
    """A compiled TcpProxy; ``clusters`` are (name, weight, metadata_match, ref), one of them for a plain cluster."""

    ref: Ref
    clusters: tuple[tuple[str, int, dict[str, object] | None, Ref], ...]
    metadata_match: dict[str, object] | None
    max_connect_attempts: int
    idle_timeout_ms: float
    hash_policy: HashPolicies
    tunnels: bool


@dataclass(frozen=True, slots=True)
class TcpEnd:
    """How a proxied connection ended: the log's columns, and what the upstream answered, if it was HTTP."""

    cluster: str | None
    flags: tuple[str, ...] = ()
    closed: str | None = None
    endpoint: str | None = None
    attempts: tuple[Attempt, ...] = ()
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    trailers: tuple[tuple[str, str], ...] = ()
    unknown: str | None = None


def compile_tcp_proxy(msg: Msg, ref: Ref, proxy: Proxy) -> TcpProxy:
    """Compile ``envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy``."""
    if msg.WhichOneof("cluster_specifier") == "weighted_clusters":
        place = ref.at("weighted_clusters", "clusters")
        clusters = tuple(
            (c.name, c.weight, _lb(c.metadata_match), place.at(i)) for i, c in enumerate(msg.weighted_clusters.clusters)
        )
    else:
        clusters = ((msg.cluster, 1, None, ref.at("cluster")),)
    return TcpProxy(
        ref,
        clusters,
        _lb(msg.metadata_match),
        msg.max_connect_attempts.value if msg.HasField("max_connect_attempts") else 1,
        duration_ms(msg.idle_timeout) if msg.HasField("idle_timeout") else 3_600_000.0,
        compile_hash_policies(list(msg.hash_policy), ref.at("hash_policy")),
        msg.HasField("tunneling_config"),
    )


def _lb(metadata: Msg) -> dict[str, object] | None:
    if "envoy.lb" not in metadata.filter_metadata:
        return None
    found: dict[str, object] = to_python(metadata.filter_metadata["envoy.lb"])
    return found


def proxy_tcp(
    config: TcpProxy,
    denial: Aborted | None,
    proxy: Proxy,
    connection: DownstreamConnection,
    request: Request,
    world: World,
    state: State,
    telling: Telling,
) -> Story[TcpEnd]:
    """Connect and pass the bytes; ``denial`` is a network RBAC verdict that falls on the first bytes, after connecting."""
    name, metadata = _choose_cluster(config, connection, world, telling)
    cluster = proxy.cluster(name) if name else None
    if cluster is None:
        telling.step("cluster", config.ref, "no cluster `{}`: the connection is closed", name)
        return TcpEnd(None, ("NC",), "eof")
    telling.step("cluster", cluster.ref, "cluster `{}`", name)
    if config.tunnels:
        telling.note(config.ref.at("tunneling_config"), "tunneling is not modelled: a plain connection is assumed")
    return (yield from _connect(config, denial, cluster, metadata, connection, request, world, state, telling))


def _choose_cluster(
    config: TcpProxy, connection: DownstreamConnection, world: World, telling: Telling
) -> tuple[str, dict[str, object] | None]:
    stated = connection.filter_state.get(CLUSTER_STATE)
    if isinstance(stated, str) and stated:
        telling.step("tcp proxy", config.ref, "cluster `{}` by filter state", stated)
        return stated, config.metadata_match
    index = 0
    if len(config.clusters) > 1:
        weights = [weight for _, weight, _, _ in config.clusters]
        index = world.chance.pick(weights, "weighted cluster")
    name, weight, own, ref = config.clusters[index]
    if len(config.clusters) > 1:
        total = sum(w for _, w, _, _ in config.clusters)
        telling.step("tcp proxy", ref, "weight {} of {}: cluster `{}`", weight, total, name)
    else:
        telling.step("tcp proxy", ref, "cluster `{}`", name)
    if own is None:
        return name, config.metadata_match
    return name, {**(config.metadata_match or {}), **own}


def _connect(
    config: TcpProxy,
    denial: Aborted | None,
    cluster: Cluster,
    metadata: dict[str, object] | None,
    connection: DownstreamConnection,
    request: Request,
    world: World,
    state: State,
    telling: Telling,
) -> Story[TcpEnd]:
    limits = resource_manager(state, cluster.name, cluster.circuit_breakers, "DEFAULT")
    script = Script(request, world, state)
    attempts: list[Attempt] = []
    hash_key = compute_connection_hash(connection, config.hash_policy)
    for number in range(1, config.max_connect_attempts + 1):
        telling.attempt = number
        if limits.connections >= limits.limits.max_connections:
            telling.step(
                "circuit breakers", limits.limits.ref, "max_connections {} reached", limits.limits.max_connections
            )
            return TcpEnd(cluster.name, ("UO",), "eof", attempts=tuple(attempts))
        context = LbContext(connection=connection, hash_key=hash_key, metadata_match=metadata)
        host = choose_host(cluster, context, world, state, telling)
        if isinstance(host, Unknown):
            return TcpEnd(cluster.name, unknown=host.what)
        if not isinstance(host, Host):
            return TcpEnd(cluster.name, ("UH",), "eof", attempts=tuple(attempts))
        attempt = Attempt(host.cluster_name or cluster.name, host.endpoint, state.now_ms, "TCP")
        attempts.append(attempt)
        connected = yield from connect(cluster, host, script, world, state)
        if not connected.failure:
            end = yield from _exchange(cluster, host, attempts, connected, denial, request, state, telling)
            connected.close()
            return end
        attempt.result = RESULTS.get(connected.failure, connected.failure)
        telling.step("upstream request", cluster.ref, "attempt {} to {}: {}", number, host.endpoint, attempt.result)
    flags = ("URX",) if attempts[-1].result == "overflow" else ("UF", "URX")
    return TcpEnd(cluster.name, flags, "eof", attempts[-1].endpoint, tuple(attempts))


def _exchange(
    cluster: Cluster,
    host: Host,
    attempts: list[Attempt],
    connected: TcpConnection,
    denial: Aborted | None,
    request: Request,
    state: State,
    telling: Telling,
) -> Story[TcpEnd]:
    """The connection stands: a denial closes it on the first bytes, else the upstream's behaviour shows."""
    telling.step("upstream request", cluster.ref, "connected to {}", host.endpoint)
    attempt = attempts[-1]
    if denial is not None:
        attempts.remove(attempt)  # nothing was sent: the upstream saw a connection, not a request
        return TcpEnd(cluster.name, denial.flags, "eof", host.endpoint, tuple(attempts))
    behaviour = connected.behaviour or PLAIN_REPLY
    _note_sent(attempt, request)
    if behaviour.delay_ms:
        yield state.now_ms + behaviour.delay_ms
    return _ended(cluster, host, attempts, behaviour, request)


def _note_sent(attempt: Attempt, request: Request) -> None:
    """What the upstream reads: the client's request as it was sent, inside TLS where none was terminated."""
    attempt.protocol = "HTTP/2" if request.connection.protocol == "HTTP/2" else "HTTP/1.1"
    attempt.method, attempt.path, attempt.authority = request.method, request.path, request.authority
    attempt.headers = tuple((n.lower(), v) for n, v in request.headers if n.lower() not in DROPPED)


def _ended(
    cluster: Cluster,
    host: Host,
    attempts: list[Attempt],
    behaviour: Behaviour,
    request: Request,
) -> TcpEnd:
    done, attempt = tuple(attempts), attempts[-1]
    if behaviour.action == "reset":
        attempt.result = "reset"
        return TcpEnd(cluster.name, ("UR",), "eof", host.endpoint, done)
    if behaviour.action in ("close", "hang", "garbage"):
        attempt.result = behaviour.action
        return TcpEnd(cluster.name, (), "eof", host.endpoint, done)
    attempt.result = str(behaviour.status)
    headers = [(n.lower(), v) for n, v in behaviour.headers]
    body = behaviour.body
    if behaviour.grpc_status is not None:
        headers += [("content-type", "application/grpc"), ("grpc-status", str(behaviour.grpc_status))]
        body = ""
    if request.method == "HEAD":
        body = ""
    return TcpEnd(
        cluster.name, (), None, host.endpoint, done, behaviour.status, tuple(headers), body, behaviour.trailers
    )
