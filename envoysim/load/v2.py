"""Names of the retired v2 API where they map to v3 by name alone.

Source: the ``versioning.previous_message_type`` options of Envoy's v3 protos.
"""

from __future__ import annotations

import re
from typing import Final

X: Final = "envoy.extensions."

# The first prefix that fits wins. A name that maps nowhere stays unknown and is named.
PREFIXES: Final = (
    ("envoy.admin.v2alpha.", "envoy.admin.v3."),
    ("envoy.api.v2.auth.", X + "transport_sockets.tls.v3."),
    ("envoy.api.v2.cluster.", "envoy.config.cluster.v3."),
    ("envoy.api.v2.core.", "envoy.config.core.v3."),
    ("envoy.api.v2.endpoint.", "envoy.config.endpoint.v3."),
    ("envoy.api.v2.listener.", "envoy.config.listener.v3."),
    ("envoy.api.v2.ratelimit.", X + "common.ratelimit.v3."),
    ("envoy.api.v2.route.", "envoy.config.route.v3."),
    ("envoy.api.v2.ClusterLoadAssignment", "envoy.config.endpoint.v3.ClusterLoadAssignment"),
    ("envoy.api.v2.Cluster", "envoy.config.cluster.v3.Cluster"),
    ("envoy.api.v2.UpstreamConnectionOptions", "envoy.config.cluster.v3.UpstreamConnectionOptions"),
    ("envoy.api.v2.Listener", "envoy.config.listener.v3.Listener"),
    ("envoy.api.v2.RouteConfiguration", "envoy.config.route.v3.RouteConfiguration"),
    ("envoy.api.v2.ScopedRouteConfiguration", "envoy.config.route.v3.ScopedRouteConfiguration"),
    ("envoy.config.accesslog.v2.FileAccessLog", X + "access_loggers.file.v3.FileAccessLog"),
    ("envoy.config.accesslog.v2.", X + "access_loggers.grpc.v3."),
    ("envoy.config.bootstrap.v2.", "envoy.config.bootstrap.v3."),
    ("envoy.config.cluster.aggregate.v2alpha.", X + "clusters.aggregate.v3."),
    ("envoy.config.cluster.dynamic_forward_proxy.v2alpha.", X + "clusters.dynamic_forward_proxy.v3."),
    ("envoy.config.cluster.redis.", X + "clusters.redis.v3."),
    ("envoy.config.common.dynamic_forward_proxy.v2alpha.", X + "common.dynamic_forward_proxy.v3."),
    ("envoy.config.common.tap.v2alpha.", X + "common.tap.v3."),
    ("envoy.config.filter.accesslog.v2.", "envoy.config.accesslog.v3."),
    ("envoy.config.filter.fault.v2.", X + "filters.common.fault.v3."),
    ("envoy.config.filter.http.rate_limit.v2.", X + "filters.http.ratelimit.v3."),
    ("envoy.config.filter.http.transcoder.v2.", X + "filters.http.grpc_json_transcoder.v3."),
    ("envoy.config.filter.network.local_rate_limit.v2alpha.", X + "filters.network.local_ratelimit.v3."),
    ("envoy.config.filter.network.rate_limit.v2.", X + "filters.network.ratelimit.v3."),
    ("envoy.config.filter.dubbo.router.v2alpha1.", X + "filters.network.dubbo_proxy.router.v3."),
    ("envoy.config.filter.thrift.rate_limit.v2alpha1.", X + "filters.network.thrift_proxy.filters.ratelimit.v3."),
    ("envoy.config.filter.thrift.router.v2alpha1.", X + "filters.network.thrift_proxy.router.v3."),
    ("envoy.config.health_checker.redis.v2.", X + "health_checkers.redis.v3."),
    ("envoy.config.metrics.v2.", "envoy.config.metrics.v3."),
    ("envoy.config.overload.v2alpha.", "envoy.config.overload.v3."),
    ("envoy.config.ratelimit.v2.", "envoy.config.ratelimit.v3."),
    ("envoy.config.rbac.v2.", "envoy.config.rbac.v3."),
    ("envoy.config.resource_monitor.fixed_heap.v2alpha.", X + "resource_monitors.fixed_heap.v3."),
    ("envoy.config.resource_monitor.injected_resource.v2alpha.", X + "resource_monitors.injected_resource.v3."),
    ("envoy.config.retry.omit_canary_hosts.v2.", X + "retry.host.omit_canary_hosts.v3."),
    ("envoy.config.retry.omit_host_metadata.v2.", X + "retry.host.omit_host_metadata.v3."),
    ("envoy.config.retry.previous_hosts.v2.", X + "retry.host.previous_hosts.v3."),
    ("envoy.config.retry.previous_priorities.", X + "retry.priority.previous_priorities.v3."),
    ("envoy.config.trace.v2alpha.", "envoy.config.trace.v3."),
    ("envoy.config.trace.v2.", "envoy.config.trace.v3."),
    ("envoy.config.transport_socket.alts.v2alpha.", X + "transport_sockets.alts.v3."),
    ("envoy.config.transport_socket.raw_buffer.v2.", X + "transport_sockets.raw_buffer.v3."),
    ("envoy.config.transport_socket.tap.v2alpha.", X + "transport_sockets.tap.v3."),
    ("envoy.type.matcher.", "envoy.type.matcher.v3."),
    ("envoy.type.metadata.v2.", "envoy.type.metadata.v3."),
    ("envoy.type.tracing.v2.", "envoy.type.tracing.v3."),
    ("envoy.type.", "envoy.type.v3."),
)
FILTER: Final = re.compile(r"envoy\.config\.filter\.(http|listener|network|udp)\.(\w+)\.v2(?:alpha\d*)?\.(.+)")


def v3_name(name: str) -> str | None:
    """Return the v3 name of a v2 message, or ``None`` where there is none by rule."""
    if ".v3." in name:
        return None
    for old, new in PREFIXES:
        if name.startswith(old):
            return new + name[len(old) :]
    filter_ = FILTER.fullmatch(name)
    return f"{X}filters.{filter_[1]}.{filter_[2]}.v3.{filter_[3]}" if filter_ is not None else None
