"""Names of the retired v2 API where they map to v3 by name alone."""

from __future__ import annotations

from typing import Final

# The longest matching prefix wins. A name that maps nowhere stays unknown and is named.
PREFIXES: Final = (
    ("envoy.admin.v2alpha.", "envoy.admin.v3."),
    ("envoy.api.v2.auth.", "envoy.extensions.transport_sockets.tls.v3."),
    ("envoy.api.v2.cluster.", "envoy.config.cluster.v3."),
    ("envoy.api.v2.core.", "envoy.config.core.v3."),
    ("envoy.api.v2.endpoint.", "envoy.config.endpoint.v3."),
    ("envoy.api.v2.listener.", "envoy.config.listener.v3."),
    ("envoy.api.v2.route.", "envoy.config.route.v3."),
    ("envoy.config.accesslog.v2.FileAccessLog", "envoy.extensions.access_loggers.file.v3.FileAccessLog"),
    ("envoy.config.accesslog.v2.", "envoy.extensions.access_loggers.grpc.v3."),
    ("envoy.config.bootstrap.v2.", "envoy.config.bootstrap.v3."),
    ("envoy.config.metrics.v2.", "envoy.config.metrics.v3."),
    ("envoy.config.rbac.v2.", "envoy.config.rbac.v3."),
    ("envoy.config.trace.v2.", "envoy.config.trace.v3."),
    ("envoy.config.cluster.aggregate.v2alpha.", "envoy.extensions.clusters.aggregate.v3."),
    ("envoy.config.cluster.dynamic_forward_proxy.v2alpha.", "envoy.extensions.clusters.dynamic_forward_proxy.v3."),
    ("envoy.config.transport_socket.raw_buffer.v2.", "envoy.extensions.transport_sockets.raw_buffer.v3."),
    ("envoy.config.transport_socket.tap.v2alpha.", "envoy.extensions.transport_sockets.tap.v3."),
    ("envoy.type.matcher.", "envoy.type.matcher.v3."),
    ("envoy.type.", "envoy.type.v3."),
)
EXACT: Final = {
    "envoy.api.v2.Listener": "envoy.config.listener.v3.Listener",
    "envoy.api.v2.Cluster": "envoy.config.cluster.v3.Cluster",
    "envoy.api.v2.RouteConfiguration": "envoy.config.route.v3.RouteConfiguration",
    "envoy.api.v2.ScopedRouteConfiguration": "envoy.config.route.v3.ScopedRouteConfiguration",
    "envoy.api.v2.ClusterLoadAssignment": "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "envoy.config.filter.http.router.v2.Router": "envoy.extensions.filters.http.router.v3.Router",
}


def v3_name(name: str) -> str | None:
    """Return the v3 name of a v2 message, or ``None`` where there is none by rule."""
    if name in EXACT:
        return EXACT[name]
    for old, new in PREFIXES:
        if name.startswith(old):
            return new + name[len(old) :]
    parts = name.split(".")
    # envoy.config.filter.<kind>.<filter>.v2[alphaN].Message -> envoy.extensions.filters.<kind>.<filter>.v3.Message
    if parts[:3] == ["envoy", "config", "filter"] and len(parts) == 7 and parts[5].startswith("v2"):
        return f"envoy.extensions.filters.{parts[3]}.{parts[4]}.v3.{parts[6]}"
    return None
