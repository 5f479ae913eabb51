"""``tcp_proxy``: a connection to a cluster, byte for byte (``source/common/tcp_proxy/tcp_proxy.cc``).

Envoy reads none of the bytes. Where the client sends an HTTP request, the upstream answers it, and the answer comes
back as it was sent; ``tcp_exchange`` tells what the upstream makes of the bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import field, replace
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..model.outcome import Attempt
from ..model.reply import Aborted
from ..schema import Msg, duration_ms, to_python
from . import outlier_detection
from .access_log import AccessLogger, compile_access_loggers
from .circuit_breakers import limit_ref, resource_manager
from .hash_policy import HashPolicies, compile_hash_policies, compute_connection_hash
from .load_balancer import Host, LbContext, Unknown, choose_host
from .network_filter import CLUSTER_STATE, Context
from .tcp_exchange import Answer, read_bytes
from .upstream_connect import TcpConnection, connect
from .upstream_script import Script

if TYPE_CHECKING:
    from ..model.outcome import Pairs
    from ..model.ref import Ref
    from .cluster import Cluster
    from .proxy import Proxy
    from .stream import Story

STAGE: Final = "tcp proxy"
DEFAULT_IDLE_TIMEOUT_MS: Final = 3_600_000.0
NEVER: Final = math.inf
MeetData = Callable[[], Aborted | None]
"""Takes the client's first bytes through the filters before the proxy: what ends the connection, or ``None``."""


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """A cluster the proxy may use, with its weight and own ``metadata_match``."""

    name: str
    weight: int
    metadata_match: dict[str, object]
    ref: Ref


@dataclass(frozen=True, slots=True)
class TcpProxy:
    """A compiled TcpProxy. ``weighted`` is empty where ``cluster`` is set; times in ms, infinite for off."""

    ref: Ref
    stat_prefix: str
    cluster: str
    weighted: tuple[ClusterChoice, ...]
    metadata_match: dict[str, object]
    max_connect_attempts: int
    backoff_base_ms: float
    backoff_max_ms: float
    idle_timeout_ms: float
    max_duration_ms: float
    hash_policy: HashPolicies
    access_loggers: tuple[AccessLogger, ...]
    notes: tuple[tuple[Ref, str], ...]


@dataclass(frozen=True, slots=True)
class TcpEnd:
    """How a connection that is not HTTP to Envoy ended.

    ``status`` and what follows are the upstream's answer to an HTTP request inside; ``closed`` is then ``None``.
    """

    cluster: str | None = None
    endpoint: str | None = None
    flags: tuple[str, ...] = ()
    details: str | None = None
    closed: str | None = None
    attempts: tuple[Attempt, ...] = ()
    status: int | None = None
    headers: Pairs = ()
    body: str = ""
    trailers: Pairs = ()
    unknown: str | None = None
    transport_failure: str = ""
    """Why the last attempt had no connection, as in UPSTREAM_TRANSPORT_FAILURE_REASON."""


def compile_tcp_proxy(msg: Msg, ref: Ref, proxy: Proxy) -> TcpProxy:
    """Compile ``envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy``."""
    weighted: tuple[ClusterChoice, ...] = ()
    if not msg.cluster and msg.HasField("weighted_clusters"):
        place = ref.at("weighted_clusters", "clusters")
        weighted = tuple(
            ClusterChoice(c.name, c.weight, _lb_metadata(c.metadata_match), place.at(i))
            for i, c in enumerate(msg.weighted_clusters.clusters)
        )
    base_ms = duration_ms(msg.backoff_options.base_interval)
    max_ms = duration_ms(msg.backoff_options.max_interval) if msg.backoff_options.HasField("max_interval") else 0.0
    return TcpProxy(
        ref,
        msg.stat_prefix,
        msg.cluster,
        weighted,
        _lb_metadata(msg.metadata_match),
        msg.max_connect_attempts.value if msg.HasField("max_connect_attempts") else 1,
        base_ms,
        max_ms or base_ms * 10,
        (duration_ms(msg.idle_timeout) or NEVER) if msg.HasField("idle_timeout") else DEFAULT_IDLE_TIMEOUT_MS,
        duration_ms(msg.max_downstream_connection_duration)
        if msg.HasField("max_downstream_connection_duration")
        else NEVER,
        compile_hash_policies(list(msg.hash_policy), ref.at("hash_policy")),
        compile_access_loggers(msg.access_log, ref.at("access_log")),
        tuple(_notes(msg, ref)),
    )


def _notes(msg: Msg, ref: Ref) -> list[tuple[Ref, str]]:
    found = []
    if msg.HasField("tunneling_config"):
        found.append(
            (ref.at("tunneling_config"), "the CONNECT tunnel to the upstream is not modelled: taken as plain TCP")
        )
    if msg.HasField("on_demand"):
        found.append(
            (ref.at("on_demand"), "on-demand discovery of clusters is not modelled: an unknown cluster is missing")
        )
    if msg.upstream_connect_mode:
        found.append((ref.at("upstream_connect_mode"), "not modelled: the upstream is connected at once"))
    return found


def _lb_metadata(metadata: Msg) -> dict[str, object]:
    if "envoy.lb" not in metadata.filter_metadata:
        return {}
    found: dict[str, object] = to_python(metadata.filter_metadata["envoy.lb"])
    return found


def proxy_tcp(config: TcpProxy, context: Context, meet_data: MeetData) -> Story[TcpEnd]:
    """Choose the cluster, connect, and pass the bytes."""
    for ref, text in config.notes:
        context.telling.note(ref, text)
    context.telling.count(f"tcp.{config.stat_prefix}.downstream_cx_total")
    name, metadata = _choose_cluster(config, context)
    cluster = context.proxy.cluster(name) if name else None
    if cluster is None:
        context.telling.step(
            "cluster", config.ref.at("cluster"), "there is no cluster `{}`: the connection is closed", name
        )
        context.telling.count(f"tcp.{config.stat_prefix}.downstream_cx_no_route")
        return TcpEnd(flags=("NC",), closed="eof")
    own = context.connection.metadata.get("envoy.lb")
    return (yield from _Session(config, context, cluster, {**metadata, **(own or {})}).run(meet_data))


def _choose_cluster(config: TcpProxy, context: Context) -> tuple[str, dict[str, object]]:
    """Draw among weighted clusters; else filter state goes before ``cluster`` (``getRouteFromEntries``)."""
    if config.weighted:
        index = 0
        if len(config.weighted) > 1:
            index = context.world.chance.pick([c.weight for c in config.weighted], "weighted cluster")
        chosen = config.weighted[index]
        total = sum(c.weight for c in config.weighted)
        context.telling.step(STAGE, chosen.ref, "cluster `{}` by weight {} of {}", chosen.name, chosen.weight, total)
        return chosen.name, {**config.metadata_match, **chosen.metadata_match}
    stated = context.connection.filter_state.get(CLUSTER_STATE)
    if isinstance(stated, str):
        context.telling.step(STAGE, config.ref, "cluster `{}` from the filter state", stated)
        return stated, config.metadata_match
    context.telling.step(STAGE, config.ref.at("cluster"), "cluster `{}`", config.cluster)
    return config.cluster, config.metadata_match


@dataclass(slots=True)
class _Session:
    """One proxied connection (``TcpProxy::Filter``)."""

    config: TcpProxy
    context: Context
    cluster: Cluster
    metadata_match: dict[str, object]
    flags: list[str] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    transport_failure: str = ""
    host: Host | None = None
    deadline_ms: float = NEVER

    def run(self, meet_data: MeetData) -> Story[TcpEnd]:
        context, config = self.context, self.config
        self.deadline_ms = context.state.now_ms + config.max_duration_ms
        script = Script(context.request, context.world, context.state)
        connected = yield from self._connect(script)
        if isinstance(connected, TcpEnd):
            return connected
        try:
            denied = meet_data()
            if denied is not None:
                return self._end(denied.closed, denied.flags)
            return (yield from self._exchange(script))
        finally:
            connected.close()
            context.telling.attempt = 0

    def _connect(self, script: Script) -> Story[TcpConnection | TcpEnd]:
        """Try up to ``max_connect_attempts`` times, each with a host of its own (``establishUpstreamConnection``)."""
        config, context = self.config, self.context
        state, telling = context.state, context.telling
        hash_key = compute_connection_hash(context.connection, config.hash_policy) if config.hash_policy else None
        backoff_ms = config.backoff_base_ms
        for number in range(1, config.max_connect_attempts + 1):
            telling.attempt = number
            if number > 1 and not self._choose_again():
                return self._end("eof", ("NC",))
            cluster = self.cluster
            lb_context = LbContext(
                connection=context.connection, hash_key=hash_key, metadata_match=self.metadata_match or None
            )
            limits = resource_manager(state, cluster.name, cluster.circuit_breakers, "DEFAULT")
            maximum = limits.limits.max_connections
            if limits.connections >= maximum:
                at = limit_ref(limits.limits, cluster.ref, "max_connections")
                telling.step("circuit breakers", at, "max_connections {} is reached (1024 by default)", maximum)
                telling.count(f"cluster.{cluster.name}.upstream_cx_overflow")
                return self._end("eof", ("UO",))
            host = choose_host(cluster, lb_context, context.world, state, telling)
            if isinstance(host, Unknown):
                return TcpEnd(cluster.observability_name, unknown=host.what)
            if not isinstance(host, Host):
                return self._end("eof", ("UH",))
            self.host = host
            connected = yield from connect(self._cluster_of(host), host, script, state)
            if not connected.failure:
                telling.step("upstream request", host.ref, "connected to {}", host.endpoint)
                self._report("connected_final", host)
                return connected
            self._failed(connected, host)
            if number < config.max_connect_attempts and backoff_ms:
                yield state.now_ms + context.world.chance.uniform(0.0, backoff_ms, "connect back-off")
                backoff_ms = min(backoff_ms * 2, config.backoff_max_ms)
        at = config.ref.at("max_connect_attempts")
        telling.step(STAGE, at, "no connection after {} attempts", config.max_connect_attempts)
        telling.count(f"cluster.{self.cluster.name}.upstream_cx_connect_attempts_exceeded")
        return self._end("eof", ("URX",))

    def _choose_again(self) -> bool:
        """Another attempt draws among weighted clusters again (``onRetryTimer``)."""
        if len(self.config.weighted) > 1:
            name, metadata = _choose_cluster(self.config, self.context)
            cluster = self.context.proxy.cluster(name)
            if cluster is None:
                return False
            own = self.context.connection.metadata.get("envoy.lb")
            self.cluster, self.metadata_match = cluster, {**metadata, **(own or {})}
        return True

    def _failed(self, connected: TcpConnection, host: Host) -> None:
        """Note a connect that came to nothing; what the breakers refuse has no flag of its own."""
        context, failure = self.context, connected.failure
        context.telling.step("upstream request", host.ref, "no connection to {}: {}", host.endpoint, failure)
        if failure == "overflow":
            return
        result = "connect_timeout" if failure == "connection timeout" else "refused"
        self.attempts.append(
            Attempt(host.cluster_name or self.cluster.name, host.endpoint, context.state.now_ms, "TCP", result=result)
        )
        self.transport_failure = connected.transport_failure
        self._flag("UF")
        self._report("connect_timeout" if failure == "connection timeout" else "connect_failed", host)

    def _report(self, result: str, host: Host) -> None:
        context, cluster = self.context, self._cluster_of(host)
        outlier_detection.report(cluster, host, result, None, context.state, context.telling, context.world)

    def _cluster_of(self, host: Host) -> Cluster:
        """Return the host's own cluster: a member where the connection's cluster is an aggregate."""
        if host.cluster_name == self.cluster.name:
            return self.cluster
        return self.context.proxy.cluster(host.cluster_name) or self.cluster

    def _exchange(self, script: Script) -> Story[TcpEnd]:
        """Pass the bytes until one side, or a timer, ends it."""
        host, state = self.host, self.context.state
        assert host is not None
        answer = read_bytes(self.context, self._cluster_of(host), host, script)
        if answer.attempt is not None:
            self.attempts.append(answer.attempt)
        due_ms = state.now_ms + answer.after_ms
        timed_out = yield from self._wait(due_ms)
        if timed_out is not None:
            return timed_out
        if answer.attempt is not None and not answer.attempt.result:
            answer.attempt.result = "reset" if answer.reset else str(answer.status or "close")
        if answer.stays_open and answer.closed is not None:
            timed_out = yield from self._wait(NEVER)
        return self._answered(answer)

    def _wait(self, due_ms: float) -> Story[TcpEnd | None]:
        """Let time pass to ``due_ms``; a timer that fires before ends the connection."""
        state, telling, config = self.context.state, self.context.telling, self.config
        idle_ms = state.now_ms + config.idle_timeout_ms
        first_ms = min(due_ms, idle_ms, self.deadline_ms)
        if first_ms is NEVER or math.isinf(first_ms):
            telling.note(config.ref, "nothing ends this connection: the upstream is silent and no timeout is set")
            return self._end("eof")
        if first_ms > state.now_ms:
            yield first_ms
        if first_ms == due_ms:
            return None
        if first_ms == idle_ms:
            at = config.ref.at("idle_timeout")
            telling.step(STAGE, at, "idle for {} ms: the connection is closed", config.idle_timeout_ms)
            telling.count(f"tcp.{config.stat_prefix}.idle_timeout")
            return self._end("eof")
        at = config.ref.at("max_downstream_connection_duration")
        telling.step(STAGE, at, "open for {} ms: the connection is closed", config.max_duration_ms)
        telling.count(f"tcp.{config.stat_prefix}.max_downstream_connection_duration")
        return self._end("eof", ("DT",))

    def _answered(self, answer: Answer) -> TcpEnd:
        if answer.reset:
            self._flag("UR")
        return replace(
            self._end(answer.closed),
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            trailers=answer.trailers,
        )

    def _flag(self, flag: str) -> None:
        if flag not in self.flags:
            self.flags.append(flag)

    def _end(self, closed: str | None, flags: tuple[str, ...] = ()) -> TcpEnd:
        for flag in flags:
            self._flag(flag)
        return TcpEnd(
            cluster=self.cluster.observability_name,
            endpoint=self.host.endpoint if self.host is not None else None,
            flags=tuple(self.flags),
            closed=closed,
            attempts=tuple(self.attempts),
            transport_failure=self.transport_failure,
        )
