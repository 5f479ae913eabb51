"""What all attempts of one request share, from the route's decision to its timeouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..model.reply import LocalReply
from .load_balancer import Host, LbContext, NoHost, Unknown, choose_host
from .upstream_tls import NO_OPTIONS, TransportOptions

if TYPE_CHECKING:
    from .circuit_breakers import ResourceManager
    from .cluster import Cluster
    from .retry_state import RetryState
    from .route_forward import Forward
    from .stream import Stream
    from .timeouts import Timeouts
    from .upstream_script import Script

RESPONSE_FLAGS: Final[Mapping[str, str]] = {
    "local connection failure": "UF",
    "remote connection failure": "UF",
    "connection timeout": "UF",
    "connection termination": "UC",
    "local reset": "LR",
    "overflow": "UO",
    "remote reset": "UR",
    "remote refused stream reset": "UR",
    "remote error with CONNECT request": "UR",
    "protocol error": "UPE",
}
"""Reset reason -> response flag (``streamResetReasonToResponseFlag``)."""


@dataclass(frozen=True, slots=True)
class Reset:
    """An attempt ended without (the rest of) an answer; ``reason`` as ``resetReasonToString`` has it."""

    reason: str
    transport_failure: str = ""

    @property
    def status(self) -> int:
        """The status of the answer Envoy makes of it."""
        return 502 if self.reason == "protocol error" else 503


@dataclass(slots=True, eq=False)
class Exchange:
    """One request on its way to one cluster."""

    stream: Stream
    cluster: Cluster
    forward: Forward
    resources: ResourceManager
    script: Script
    timeouts: Timeouts
    metadata_match: dict[str, object] | None = None
    tls_options: TransportOptions = NO_OPTIONS
    grpc: bool = False
    raw_tcp: bool = False
    """CONNECT is ended here and its payload goes to the upstream as plain TCP."""
    complete: bool = True
    """The client has sent its whole request: a tunnel's is open. The route's and the tries' timeouts wait for it."""
    envoy_headers: bool = True
    """False with the router's ``suppress_envoy_headers``."""

    def choose_host(self, retry: RetryState | None) -> Host | NoHost | Unknown:
        """Ask the cluster's load balancer; a retry brings its host predicates and priorities."""
        stream = self.stream
        metadata, hash_policy = self.merged_metadata(), self.forward.hash_policy
        context = LbContext(stream=stream, metadata_match=metadata, retry=retry, hash_policy=hash_policy)
        return choose_host(self.cluster, context, stream.world, stream.state, stream.telling)

    def merged_metadata(self) -> dict[str, object] | None:
        """Merge route, connection and request metadata under ``envoy.lb``; the request's wins per key."""
        stream, route = self.stream, self.metadata_match
        connection, request = stream.connection.metadata.get("envoy.lb"), stream.metadata.get("envoy.lb")
        if not connection and not request:
            return route
        return {**(route or {}), **(connection or {}), **(request or {})}

    def count(self, stat: str) -> None:
        """Raise a counter of the cluster."""
        self.stream.telling.count(f"cluster.{self.cluster.name}.{stat}")

    def reset_reply(self, reset: Reset, *, started: bool, again: bool) -> LocalReply:
        """Return what the client gets for a reset (``Filter::onUpstreamReset``); ``again``: after a retry."""
        reason, failure = reset.reason, reset.transport_failure
        when = "after" if started else "before"
        details = f"upstream_reset_{when}_response_started{{{reason}{'|' if failure else ''}{failure}}}".replace(
            " ", "_"
        )
        latest = "retried and the latest " if again else ""
        body = f"upstream connect error or disconnect/reset before headers. {latest}reset reason: {reason}"
        overloaded = reason == "overflow" and self.envoy_headers
        headers = (("x-envoy-overloaded", "true"),) if overloaded else ()
        return LocalReply(reset.status, details, body, (RESPONSE_FLAGS[reason],), headers)
