"""Services that filters ask over gRPC: does the question reach anybody (``source/common/grpc/async_client_impl.cc``).

What a service answers is not in a dump; that it cannot be reached may be: its cluster is absent, its endpoints refuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...lazy_dataclass import dataclass
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...schema import Msg, duration_ms
from ..async_client import AsyncService, ask, compile_async_service

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Story, Stream


@dataclass(frozen=True, slots=True, eq=False)
class GrpcService:
    """An ``envoy_grpc`` service and the method that is called; ``cluster`` is "" for other kinds of services."""

    cluster: str
    path: str
    service: AsyncService | None

    def failure(self, stream: Stream) -> Story[str | None]:
        """Ask; return the message of a call that fails with UNAVAILABLE before the service says anything of its own."""
        if self.service is None:
            return None
        if stream.proxy.cluster(self.cluster) is None:
            return "cluster_not_found"
        headers = HeaderMap([(":method", "POST"), (":path", self.path), (":authority", self.cluster)])
        headers.set(":scheme", "http")
        headers.set("content-type", "application/grpc")
        headers.set("te", "trailers")
        response = yield from ask(stream, self.service, headers, "")
        if response is None:
            return None
        if response.local:
            return f"{response.body}{{{response.details}}}"
        return (
            None if response.headers.get("grpc-status") in (None, "0") else response.headers.get("grpc-message") or ""
        )


def compile_grpc_service(msg: Msg, path: str, default_timeout_ms: int, ref: Ref, proxy: Proxy) -> GrpcService:
    """Compile an ``envoy.config.core.v3.GrpcService``; a timeout of 0 ms is none."""
    cluster: str = msg.envoy_grpc.cluster_name
    timeout = int(duration_ms(msg.timeout)) if msg.HasField("timeout") else default_timeout_ms
    service = compile_async_service(cluster, timeout, ref.at("envoy_grpc"), proxy) if cluster else None
    return GrpcService(cluster, path, service)
