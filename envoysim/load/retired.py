"""Fields of the retired v2 API that v3 writes otherwise: each is moved to where v3 has it, and noted.

Source: the v2 protos of Envoy 1.17 (api/envoy/api/v2) and what its own upgrade to v3 did with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from ..model.outcome import Note
from ..model.ref import Ref
from ..schema import Msg, knows
from .decode import fill, keep_unknown, put_any
from .scalars import Json

HIDDEN: Final = "hidden_envoy_deprecated_"
"""What Envoy 1.14 to 1.17 put before a retired field in the v3 dumps they printed."""

Rewrite: TypeAlias = Callable[[Json], Json]
"""From the retired field's JSON to the v3 fields' JSON (an object), ``None`` when the value has no such meaning."""


def put_retired(message: Msg, key: str, value: Json, ref: Ref, notes: list[Note]) -> bool:
    """Set what the retired field ``key`` means today; return whether it is one."""
    full_name = message.DESCRIPTOR.full_name
    name = _snake(key).removeprefix(HIDDEN)
    if (full_name, name) in IGNORED:
        return True
    if name in ("config", "per_filter_config"):
        return _put_config(message, name, value, ref, notes)
    rewrite = REWRITES.get((full_name, name))
    rewritten = rewrite(value) if rewrite is not None else None
    if rewritten is None:
        return False
    notes.append(Note(ref, f"v2 field `{key}` of {full_name} is read as `{', '.join(rewritten)}`"))
    for field, content in rewritten.items():
        fill(message, {field: content}, ref, notes)
    return True


def _put_config(message: Msg, name: str, value: Json, ref: Ref, notes: list[Note]) -> bool:
    """Extensions were told by name and configured by a Struct: give the Struct the type that the name stands for."""
    if not isinstance(value, dict):
        return False
    fields = message.DESCRIPTOR.fields_by_name
    if name == "config" and "typed_config" in fields and "name" in fields:
        _put_named(message.typed_config, message.name, value, ref, notes)
        return True
    if name == "per_filter_config" and "typed_per_filter_config" in fields:
        for filter_name, config in value.items():
            entry = message.typed_per_filter_config[filter_name]
            _put_named(entry, filter_name, config, ref.at(filter_name), notes, PER_ROUTE)
        return True
    return False


def _put_named(
    any_msg: Msg, name: str, value: Json, ref: Ref, notes: list[Note], table: Mapping[str, str] | None = None
) -> None:
    type_name = (table if table is not None else EXTENSIONS).get(OLD_NAMES.get(name, name))
    if type_name is None or not knows(type_name):
        keep_unknown(any_msg, name, value, ref, notes)
        return
    notes.append(Note(ref, f"untyped configuration of `{name}` is read as {type_name}"))
    put_any(any_msg, {**value, "@type": f"type.googleapis.com/{type_name}"}, ref, notes)


def type_of_name(name: str) -> str:
    """Return the type that the name of an extension without a typed configuration stood for; "" if unknown."""
    return EXTENSIONS.get(OLD_NAMES.get(name, name), "")


def _snake(key: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in key)


def _socket(kind: str) -> Rewrite:
    config = f"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{kind}TlsContext"
    return lambda value: {
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": config, **value}}
    }


def _hosts(value: Json) -> Json:
    endpoints = [{"endpoint": {"address": address}} for address in value]
    return {"load_assignment": {"endpoints": [{"lb_endpoints": endpoints}]}}


def _regex(field: str) -> Rewrite:
    return lambda value: {field: {"regex": value}}


def _origins(kind: str) -> Rewrite:
    def rewrite(values: Json) -> Json:
        return {
            "allow_origin_string_match": [
                {"safe_regex": {"regex": v}} if kind == "regex" else {"exact": v} for v in values
            ]
        }

    return rewrite


def _virtual_cluster(value: Json) -> Json:
    return {"headers": [{"name": ":path", "safe_regex_match": {"regex": value}}]}


def _nothing_if_false(content: Json) -> Rewrite:
    return lambda value: content if value else {}


C, R, L = "envoy.config.core.v3.", "envoy.config.route.v3.", "envoy.config.listener.v3."
CLUSTER = "envoy.config.cluster.v3.Cluster"
HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

REWRITES: Final[Mapping[tuple[str, str], Rewrite]] = {
    (CLUSTER, "hosts"): _hosts,
    (CLUSTER, "tls_context"): _socket("Upstream"),
    (L + "FilterChain", "tls_context"): _socket("Downstream"),
    (R + "RouteMatch", "regex"): _regex("safe_regex"),
    (R + "HeaderMatcher", "regex_match"): _regex("safe_regex_match"),
    (R + "VirtualCluster", "pattern"): _virtual_cluster,
    (R + "VirtualCluster", "method"): lambda v: {"headers": [{"name": ":method", "exact_match": v}]},
    (R + "RouteAction", "use_websocket"): _nothing_if_false({"upgrade_configs": [{"upgrade_type": "websocket"}]}),
    (R + "RouteAction", "request_mirror_policy"): lambda v: {"request_mirror_policies": [v]},
    (R + "CorsPolicy", "allow_origin"): _origins("exact"),
    (R + "CorsPolicy", "allow_origin_regex"): _origins("regex"),
    (R + "CorsPolicy", "enabled"): lambda v: {"filter_enabled": {"default_value": {"numerator": 100 if v else 0}}},
    (R + "QueryParameterMatcher", "value"): lambda v: {"string_match": {"exact": v}},
    ("envoy.type.matcher.v3.StringMatcher", "regex"): _regex("safe_regex"),
    (C + "HealthCheck.HttpHealthCheck", "use_http2"): _nothing_if_false({"codec_client_type": "HTTP2"}),
    (C + "HealthCheck.HttpHealthCheck", "service_name"): lambda v: {"service_name_matcher": {"prefix": v}},
    (HCM, "idle_timeout"): lambda v: {"common_http_protocol_options": {"idle_timeout": v}},
    (
        "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
        "verify_subject_alt_name",
    ): lambda v: {"match_subject_alt_names": [{"exact": name} for name in v]},
}

IGNORED: Final = frozenset({(C + "Node", "build_version"), (HCM + ".Tracing", "operation_name")})
"""Retired fields that never told a request anything."""

X: Final = "envoy.extensions."
H, N, LF = X + "filters.http.", X + "filters.network.", X + "filters.listener."

OLD_NAMES: Final[Mapping[str, str]] = {
    "envoy.buffer": "envoy.filters.http.buffer",
    "envoy.cors": "envoy.filters.http.cors",
    "envoy.csrf": "envoy.filters.http.csrf",
    "envoy.ext_authz": "envoy.filters.http.ext_authz",
    "envoy.fault": "envoy.filters.http.fault",
    "envoy.grpc_http1_bridge": "envoy.filters.http.grpc_http1_bridge",
    "envoy.grpc_json_transcoder": "envoy.filters.http.grpc_json_transcoder",
    "envoy.grpc_web": "envoy.filters.http.grpc_web",
    "envoy.health_check": "envoy.filters.http.health_check",
    "envoy.ip_tagging": "envoy.filters.http.ip_tagging",
    "envoy.lua": "envoy.filters.http.lua",
    "envoy.rate_limit": "envoy.filters.http.ratelimit",
    "envoy.router": "envoy.filters.http.router",
    "envoy.http_connection_manager": "envoy.filters.network.http_connection_manager",
    "envoy.tcp_proxy": "envoy.filters.network.tcp_proxy",
    "envoy.mongo_proxy": "envoy.filters.network.mongo_proxy",
    "envoy.redis_proxy": "envoy.filters.network.redis_proxy",
    "envoy.echo": "envoy.filters.network.echo",
    "envoy.ratelimit": "envoy.filters.network.ratelimit",
    "envoy.listener.http_inspector": "envoy.filters.listener.http_inspector",
    "envoy.listener.original_dst": "envoy.filters.listener.original_dst",
    "envoy.listener.original_src": "envoy.filters.listener.original_src",
    "envoy.listener.proxy_protocol": "envoy.filters.listener.proxy_protocol",
    "envoy.listener.tls_inspector": "envoy.filters.listener.tls_inspector",
    "envoy.file_access_log": "envoy.access_loggers.file",
    "envoy.http_grpc_access_log": "envoy.access_loggers.http_grpc",
    "envoy.tcp_grpc_access_log": "envoy.access_loggers.tcp_grpc",
    "tls": "envoy.transport_sockets.tls",
    "raw_buffer": "envoy.transport_sockets.raw_buffer",
}
EXTENSIONS: Final[Mapping[str, str]] = {
    "envoy.filters.http.buffer": H + "buffer.v3.Buffer",
    "envoy.filters.http.cors": H + "cors.v3.Cors",
    "envoy.filters.http.csrf": H + "csrf.v3.CsrfPolicy",
    "envoy.filters.http.ext_authz": H + "ext_authz.v3.ExtAuthz",
    "envoy.filters.http.fault": H + "fault.v3.HTTPFault",
    "envoy.filters.http.grpc_http1_bridge": H + "grpc_http1_bridge.v3.Config",
    "envoy.filters.http.grpc_json_transcoder": H + "grpc_json_transcoder.v3.GrpcJsonTranscoder",
    "envoy.filters.http.grpc_web": H + "grpc_web.v3.GrpcWeb",
    "envoy.filters.http.header_to_metadata": H + "header_to_metadata.v3.Config",
    "envoy.filters.http.health_check": H + "health_check.v3.HealthCheck",
    "envoy.filters.http.ip_tagging": H + "ip_tagging.v3.IPTagging",
    "envoy.filters.http.jwt_authn": H + "jwt_authn.v3.JwtAuthentication",
    "envoy.filters.http.lua": H + "lua.v3.Lua",
    "envoy.filters.http.ratelimit": H + "ratelimit.v3.RateLimit",
    "envoy.filters.http.rbac": H + "rbac.v3.RBAC",
    "envoy.filters.http.router": H + "router.v3.Router",
    "istio.alpn": "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
    "istio_authn": "istio.envoy.config.filter.http.authn.v2alpha1.FilterConfig",
    "envoy.filters.network.http_connection_manager": HCM,
    "envoy.filters.network.tcp_proxy": N + "tcp_proxy.v3.TcpProxy",
    "envoy.filters.network.mongo_proxy": N + "mongo_proxy.v3.MongoProxy",
    "envoy.filters.network.redis_proxy": N + "redis_proxy.v3.RedisProxy",
    "envoy.filters.network.echo": N + "echo.v3.Echo",
    "envoy.filters.network.ext_authz": N + "ext_authz.v3.ExtAuthz",
    "envoy.filters.network.ratelimit": N + "ratelimit.v3.RateLimit",
    "envoy.filters.network.rbac": N + "rbac.v3.RBAC",
    "envoy.filters.network.sni_cluster": N + "sni_cluster.v3.SniCluster",
    "envoy.filters.listener.http_inspector": LF + "http_inspector.v3.HttpInspector",
    "envoy.filters.listener.original_dst": LF + "original_dst.v3.OriginalDst",
    "envoy.filters.listener.original_src": LF + "original_src.v3.OriginalSrc",
    "envoy.filters.listener.proxy_protocol": LF + "proxy_protocol.v3.ProxyProtocol",
    "envoy.filters.listener.tls_inspector": LF + "tls_inspector.v3.TlsInspector",
    "envoy.access_loggers.file": X + "access_loggers.file.v3.FileAccessLog",
    "envoy.access_loggers.http_grpc": X + "access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
    "envoy.access_loggers.tcp_grpc": X + "access_loggers.grpc.v3.TcpGrpcAccessLogConfig",
    "envoy.transport_sockets.raw_buffer": X + "transport_sockets.raw_buffer.v3.RawBuffer",
    "envoy.clusters.aggregate": X + "clusters.aggregate.v3.ClusterConfig",
    "envoy.zipkin": "envoy.config.trace.v3.ZipkinConfig",
    "envoy.tracers.zipkin": "envoy.config.trace.v3.ZipkinConfig",
    "envoy.lightstep": "envoy.config.trace.v3.LightstepConfig",
    "envoy.statsd": "envoy.config.metrics.v3.StatsdSink",
    "envoy.dog_statsd": "envoy.config.metrics.v3.DogStatsdSink",
    "envoy.metrics_service": "envoy.config.metrics.v3.MetricsServiceConfig",
}
PER_ROUTE: Final[Mapping[str, str]] = {
    "envoy.filters.http.buffer": H + "buffer.v3.BufferPerRoute",
    "envoy.filters.http.csrf": H + "csrf.v3.CsrfPolicy",
    "envoy.filters.http.ext_authz": H + "ext_authz.v3.ExtAuthzPerRoute",
    "envoy.filters.http.fault": H + "fault.v3.HTTPFault",
    "envoy.filters.http.jwt_authn": H + "jwt_authn.v3.PerRouteConfig",
    "envoy.filters.http.lua": H + "lua.v3.LuaPerRoute",
    "envoy.filters.http.rbac": H + "rbac.v3.RBACPerRoute",
}
