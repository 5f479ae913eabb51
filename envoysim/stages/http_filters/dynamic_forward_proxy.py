"""Dynamic forward proxy (``source/extensions/filters/http/dynamic_forward_proxy/proxy_filter.cc``).

The name in ``Host`` is resolved when the request comes: which address that gives is not in a dump.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...model.reply import LocalReply
from ...schema import Msg
from ..route_action import routed_cluster
from .base import DecoderOnly, FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

PREFIX: Final = "envoy.extensions.filters.http.dynamic_forward_proxy.v3."
CLUSTER_TYPE: Final = "envoy.clusters.dynamic_forward_proxy"
NO_HOST: Final = LocalReply(400, "empty_host_header", "Empty host header")


@dataclass(frozen=True, slots=True)
class HostRewrite:
    """A compiled ``PerRouteConfig``."""

    literal: str
    header: str


@dataclass(frozen=True, slots=True)
class DynamicForwardProxy(DecoderOnly):
    """The compiled filter; it minds only requests to clusters of its own type."""

    ref: Ref

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Rewrite the host as the route says."""
        name = routed_cluster(stream)
        resource = stream.proxy.dump.clusters.get(name) if name else None
        if resource is None or resource.message().cluster_type.name != CLUSTER_TYPE:
            return None
        headers = stream.headers
        if overrides:
            rewrite = overrides[-1]
            assert isinstance(rewrite, HostRewrite)
            host = rewrite.literal or (headers.get(rewrite.header) if rewrite.header else None)
            if host:
                headers.set(":authority", host)
        host = headers.get(":authority")
        if not host:
            stream.telling.step("http filter", self.ref, "no host to resolve for cluster `{}`: 400", name)
            return NO_HOST
        stream.telling.step("http filter", self.ref, "`{}` is resolved for cluster `{}`", host, name)
        return None


def compile_dynamic_forward_proxy(msg: Msg, ref: Ref, proxy: Proxy) -> DynamicForwardProxy:
    """Compile ``FilterConfig``."""
    return DynamicForwardProxy(ref)


def compile_per_route(msg: Msg, ref: Ref, proxy: Proxy) -> HostRewrite:
    """Compile ``PerRouteConfig``."""
    return HostRewrite(msg.host_rewrite_literal, msg.host_rewrite_header.lower())


MODULE: Final = FilterModule(
    PREFIX + "FilterConfig", compile_dynamic_forward_proxy, (PREFIX + "PerRouteConfig",), compile_per_route
)
