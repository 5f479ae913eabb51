"""Health checks answered by Envoy itself (``source/extensions/filters/http/health_check/health_check.cc``).

The proxy is taken to be healthy itself: ``/healthcheck/fail`` on the admin port is not in a dump.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...match.header_matcher import HeaderMatcher, compile_header_matchers
from ...model.ref import Ref
from ...model.reply import LocalReply, Response
from ...schema import Msg, duration_ms
from ..host import UNHEALTHY, coarse_health
from ..load_balancer import live_cluster
from .base import FilterModule, Verdict

if TYPE_CHECKING:
    from ..cluster import Cluster
    from ..proxy import Proxy
    from ..stream import Stream

TYPE: Final = "envoy.extensions.filters.http.health_check.v3.HealthCheck"
HEALTHCHECKED: Final = "x-envoy-upstream-healthchecked-cluster"


@dataclass(slots=True)
class Cached:
    """The last answer to a health check that went upstream; good until the cache's timer clears it."""

    status: int = 0
    degraded: bool = False
    round: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class HealthCheck:
    """The compiled filter. ``cache_ms`` is 0 without cache."""

    ref: Ref
    key: str
    headers: tuple[HeaderMatcher, ...]
    pass_through: bool
    cache_ms: float
    min_healthy: tuple[tuple[str, int], ...]
    node_cluster: str

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Answer the check, or let it go upstream."""
        for matcher in self.headers:
            if not matcher.matches(stream.headers):
                return None
        stream.facts[self.key] = stream.facts["health_check"] = True
        telling = stream.telling
        cached = self._cached(stream)
        if self.pass_through and cached is None:
            telling.step("http filter", self.ref, "a health check: passed on")
            return None
        prefix = f"http.{stream.hcm.stat_prefix}.health_check."
        telling.count(prefix + "request_total")
        if cached is not None:
            telling.count(prefix + "cached_response")
            reply = self._reply(cached.status, "health_check_cached", degraded=cached.degraded)
        elif self.min_healthy:
            reply = self._ask_clusters(stream, prefix)
        else:
            reply = self._reply(200, "health_check_ok")
        telling.count(prefix + ("ok" if reply.status // 100 == 2 else "failed"))
        telling.step("http filter", self.ref, "a health check: {} `{}`", reply.status, reply.details)
        return reply

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Name the node's cluster in answers to health checks, and keep them."""
        if self.key in stream.facts:
            if self.cache_ms:
                cached = stream.state.slot(self.key, Cached)
                cached.status, cached.round = response.status, self._round(stream)
                cached.degraded = "x-envoy-degraded" in response.headers
            response.headers.set(HEALTHCHECKED, self.node_cluster)
        return None

    def _round(self, stream: Stream) -> int:
        return int(stream.state.now_ms // self.cache_ms)

    def _cached(self, stream: Stream) -> Cached | None:
        if not self.cache_ms:
            return None
        cached = stream.state.slot(self.key, Cached)
        return cached if cached.round == self._round(stream) else None

    def _reply(self, status: int, details: str, *, degraded: bool = False) -> LocalReply:
        headers = (("x-envoy-degraded", ""),) if degraded else ()
        return LocalReply(status, details, "", () if status // 100 == 2 else ("LH",), headers)

    def _ask_clusters(self, stream: Stream, prefix: str) -> LocalReply:
        for name, wanted in self.min_healthy:
            cluster = stream.proxy.cluster(name)
            if cluster is None:
                stream.telling.count(prefix + "failed_cluster_not_found")
                return self._reply(503, "health_check_failed_no_cluster_found")
            total, available = count_members(cluster, stream)
            if total == 0:
                if wanted == 0:
                    continue
                stream.telling.count(prefix + "failed_cluster_empty")
                return self._reply(503, "health_check_failed_cluster_empty")
            if 100 * available < total * wanted:
                stream.telling.count(prefix + "failed_cluster_unhealthy")
                return self._reply(503, "health_check_failed_cluster_unhealthy")
        return self._reply(200, "health_check_ok_cluster_healthy")


def count_members(cluster: Cluster, stream: Stream) -> tuple[int, int]:
    """Return how many members a cluster has, and how many of them are healthy or degraded."""
    if cluster.endpoints.unknown:
        stream.telling.note(cluster.endpoints.ref, f"not in the dump: {cluster.endpoints.unknown}")
    state = stream.state
    live = live_cluster(cluster, stream.world, state)
    if live.clock is not None:
        live.clock(state.now_ms, stream.world, stream.telling)
    hosts = cluster.hosts
    return len(hosts), sum(coarse_health(live.flags(host)) != UNHEALTHY for host in hosts)


def compile_health_check(msg: Msg, ref: Ref, proxy: Proxy) -> HealthCheck:
    """Compile ``envoy.extensions.filters.http.health_check.v3.HealthCheck``."""
    pass_through = msg.pass_through_mode.value
    percentages = msg.cluster_min_healthy_percentages
    return HealthCheck(
        ref,
        f"health_check:{ref.source}{ref}",
        compile_header_matchers(msg.headers, ref.at("headers")),
        pass_through,
        duration_ms(msg.cache_time),
        () if pass_through else tuple((name, int(percentages[name].value)) for name in sorted(percentages)),
        proxy.node.cluster if proxy.node is not None else "",
    )


MODULE: Final = FilterModule(TYPE, compile_health_check)
