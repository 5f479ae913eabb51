"""A cluster: every plain value of ``envoy.config.cluster.v3.Cluster`` that requests meet.

Follows ``ClusterInfoImpl`` in ``source/common/upstream/upstream_impl.cc``. What changes (health, breakers,
positions of load balancers) lives in ``State``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from ..schema import Msg, any_type, duration_ms, enum_name, unpack
from .circuit_breakers import CircuitBreakers, compile_circuit_breakers
from .cluster_types import ClusterType, compile_cluster_type
from .endpoints import Endpoints, compile_endpoints
from .error_matcher import ErrorMatcher, compile_error_matcher
from .hash_policy import HashPolicies, compile_hash_policies
from .health_check import HealthCheck, compile_health_check
from .host import Host
from .load_balancer.compile_policy import compile_policy, whole_percent
from .load_balancer.policy import Policy, looks_at_requests
from .mirror import MirrorPolicy, compile_mirror_policies
from .outlier_config import OutlierDetection, compile_outlier_detection
from .retry import RetryPolicy, compile_retry_policy
from .upstream_tls import TransportSockets, compile_transport_sockets

if TYPE_CHECKING:
    from .proxy import Proxy

HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
DEFAULT_CONNECT_TIMEOUT_MS: Final = 5000.0
PANIC_KEY: Final = "upstream.healthy_panic_threshold"
DROP_OVERLOAD_KEY: Final = "load_balancing_policy.drop_overload_limit"
DEFAULT_STREAMS: Final = 1024
"""``max_concurrent_streams`` of an upstream HTTP/2 connection, until the peer says less."""


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """A compiled cluster."""

    name: str
    ref: Ref
    proxy: Proxy
    """The proxy it belongs to: its runtime, and other clusters to compare with or to hand on to."""
    type: ClusterType
    endpoints: Endpoints
    policy: Policy
    counts_requests: bool
    """The policy asks how many requests each host is serving."""
    panic_threshold: int
    update_merge_window_ms: float
    override_health: frozenset[str]
    connect_timeout_ms: float
    circuit_breakers: CircuitBreakers
    transport_sockets: TransportSockets
    outlier_detection: OutlierDetection | None
    health_check: HealthCheck | None
    http_protocol: str
    """``HTTP/1.1``, ``HTTP/2``, ``auto`` (ALPN decides) or ``downstream`` (as the client speaks)."""
    http2_max_concurrent_streams: int = DEFAULT_STREAMS
    http1_trailers: bool = False
    """Trailers are read on HTTP/1 connections."""
    max_requests_per_connection: int = 0
    max_stream_duration_ms: int = 0
    max_stream_duration_ref: Ref | None = None
    auto_sni: bool = False
    auto_san_validation: bool = False
    override_auto_sni_header: str = ""
    connection_pool_per_downstream_connection: bool = False
    drop_overload: float = 0.0
    retry_policy: RetryPolicy | None = None
    mirrors: tuple[MirrorPolicy, ...] = ()
    hash_policy: HashPolicies | None = None
    error_matcher: ErrorMatcher | None = None
    maintenance_key: str = ""
    local_cluster: str = ""
    """The cluster of the proxy's own kind, where zone-aware routing compares with it."""
    alt_stat_name: str = ""

    @property
    def observability_name(self) -> str:
        """The name in access logs and stats (``ClusterInfoImpl::observabilityName``)."""
        return self.alt_stat_name or self.name

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Every configured host."""
        return self.endpoints.hosts


def compile_cluster(msg: Msg, ref: Ref, proxy: Proxy) -> Cluster:
    """Compile ``envoy.config.cluster.v3.Cluster``."""
    kind = compile_cluster_type(msg, ref)
    policy = compile_policy(msg, ref)
    endpoints = compile_endpoints(msg, kind.discovery, ref, proxy)
    options = _http_options(msg)
    common, common_at = msg.common_http_protocol_options, ref.at("common_http_protocol_options")
    names = msg.upstream_http_protocol_options
    at = ref.at("typed_extension_protocol_options", HTTP_OPTIONS)
    if options is not None:
        if options.HasField("common_http_protocol_options"):
            common, common_at = options.common_http_protocol_options, at.at("common_http_protocol_options")
        if options.HasField("upstream_http_protocol_options"):
            names = options.upstream_http_protocol_options
    bootstrap = proxy.dump.bootstrap
    manager = bootstrap.message().cluster_manager if bootstrap is not None else None
    lb = msg.common_lb_config
    panic = whole_percent(lb.healthy_panic_threshold.value) if lb.HasField("healthy_panic_threshold") else 50
    window = lb.update_merge_window
    protocol, http2 = _http_protocol(msg, options)
    return Cluster(
        name=msg.name,
        ref=ref,
        proxy=proxy,
        type=kind,
        endpoints=endpoints,
        policy=policy,
        counts_requests=looks_at_requests(policy),
        panic_threshold=min(100, proxy.runtime.integer(PANIC_KEY, panic)),
        update_merge_window_ms=duration_ms(window) if lb.HasField("update_merge_window") else 1000.0,
        override_health=_override_health(lb),
        connect_timeout_ms=duration_ms(msg.connect_timeout)
        if msg.HasField("connect_timeout")
        else DEFAULT_CONNECT_TIMEOUT_MS,
        circuit_breakers=compile_circuit_breakers(
            msg.circuit_breakers, ref.at("circuit_breakers"), msg.name, proxy.runtime
        ),
        transport_sockets=compile_transport_sockets(msg, ref, proxy),
        outlier_detection=compile_outlier_detection(msg.outlier_detection, ref.at("outlier_detection"))
        if msg.HasField("outlier_detection")
        else None,
        health_check=compile_health_check(msg.health_checks[0], ref.at("health_checks", 0))
        if msg.health_checks
        else None,
        http_protocol=protocol,
        http2_max_concurrent_streams=_streams(http2),
        http1_trailers=_http1_options(msg, options).enable_trailers,
        max_requests_per_connection=_max_requests(msg, common),
        max_stream_duration_ms=int(duration_ms(common.max_stream_duration)),
        max_stream_duration_ref=common_at.at("max_stream_duration"),
        auto_sni=names.auto_sni,
        auto_san_validation=names.auto_san_validation,
        override_auto_sni_header=names.override_auto_sni_header.lower(),
        connection_pool_per_downstream_connection=msg.connection_pool_per_downstream_connection,
        drop_overload=min(endpoints.drop_overload, proxy.runtime.integer(DROP_OVERLOAD_KEY, 100) / 100),
        retry_policy=_cluster_retry(options, at, proxy),
        mirrors=_cluster_mirrors(options, at),
        hash_policy=_cluster_hash(options, at),
        error_matcher=_error_matcher(options, at),
        maintenance_key=f"upstream.maintenance_mode.{msg.name}",
        local_cluster=manager.local_cluster_name if manager is not None else "",
        alt_stat_name=msg.alt_stat_name,
    )


def _http_options(msg: Msg) -> Msg | None:
    found = msg.typed_extension_protocol_options
    if HTTP_OPTIONS in found and any_type(found[HTTP_OPTIONS]) == HTTP_OPTIONS:
        return unpack(found[HTTP_OPTIONS])
    return None


def _http_protocol(msg: Msg, options: Msg | None) -> tuple[str, Msg | None]:
    """Return the mode and the HTTP/2 options that apply (``ClusterInfoImpl::upstreamHttpProtocol``)."""
    if options is None:
        http2 = msg.http2_protocol_options if msg.HasField("http2_protocol_options") else None
        if enum_name(msg, "protocol_selection") == "USE_DOWNSTREAM_PROTOCOL":
            return "downstream", http2
        return ("HTTP/2", http2) if http2 is not None else ("HTTP/1.1", None)
    kind = options.WhichOneof("upstream_protocol_options")
    if kind == "use_downstream_protocol_config":
        return "downstream", options.use_downstream_protocol_config.http2_protocol_options
    if kind == "auto_config":
        return "auto", options.auto_config.http2_protocol_options
    explicit = options.explicit_http_config.WhichOneof("protocol_config")
    if explicit == "http2_protocol_options":
        return "HTTP/2", options.explicit_http_config.http2_protocol_options
    return ("HTTP/3" if explicit == "http3_protocol_options" else "HTTP/1.1"), None


def _http1_options(msg: Msg, options: Msg | None) -> Msg:
    """Return the HTTP/1 options that apply, empty ones where there are none."""
    if options is None:
        return msg.http_protocol_options
    kind = options.WhichOneof("upstream_protocol_options")
    return (getattr(options, kind) if kind is not None else options.explicit_http_config).http_protocol_options


def _streams(http2: Msg | None) -> int:
    if http2 is not None and http2.HasField("max_concurrent_streams"):
        return int(http2.max_concurrent_streams.value)
    return DEFAULT_STREAMS


def _max_requests(msg: Msg, common: Msg) -> int:
    if common.HasField("max_requests_per_connection"):
        return int(common.max_requests_per_connection.value)
    return int(msg.max_requests_per_connection.value)


def _override_health(lb: Msg) -> frozenset[str]:
    """Statuses of hosts that may be chosen by name (``override_host_status``)."""
    if not lb.HasField("override_host_status"):
        return frozenset({"UNKNOWN", "HEALTHY", "DEGRADED"})
    values = lb.override_host_status.DESCRIPTOR.fields_by_name["statuses"].enum_type.values_by_number
    return frozenset(values[number].name for number in lb.override_host_status.statuses)


def _cluster_retry(options: Msg | None, ref: Ref, proxy: Proxy) -> RetryPolicy | None:
    if options is None or not options.HasField("retry_policy"):
        return None
    return compile_retry_policy(options.retry_policy, ref.at("retry_policy"), proxy)


def _cluster_mirrors(options: Msg | None, ref: Ref) -> tuple[MirrorPolicy, ...]:
    if options is None:
        return ()
    return compile_mirror_policies(list(options.request_mirror_policies), ref.at("request_mirror_policies"))


def _cluster_hash(options: Msg | None, ref: Ref) -> HashPolicies | None:
    if options is None or not options.hash_policy:
        return None
    return compile_hash_policies(list(options.hash_policy), ref.at("hash_policy"))


def _error_matcher(options: Msg | None, ref: Ref) -> ErrorMatcher | None:
    if options is None or not options.HasField("outlier_detection"):
        return None
    return compile_error_matcher(options.outlier_detection.error_matcher, ref.at("outlier_detection", "error_matcher"))
