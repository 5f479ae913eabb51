"""What the router tells outlier detection about a host, attempt by attempt (``updateOutlierDetection``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import outlier_detection
from .health_check import fail_immediately
from .retry_state import grpc_status

if TYPE_CHECKING:
    from ..model.reply import Response
    from .cluster import Cluster
    from .load_balancer import Host
    from .stream import Stream

IMMEDIATE_FAILURE: Final = "x-envoy-immediate-health-check-fail"
GRPC_TO_HTTP: Final = (200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401)
"""gRPC status -> HTTP status (``Grpc::Utility::grpcToHttpStatus``)."""


def report(stream: Stream, cluster: Cluster, host: Host, result: str, code: int | None = None) -> None:
    """Report one result: ``answer`` with its code, ``timeout`` with the code it answers, ``connect_failed``."""
    outlier_detection.report(cluster, host, result, code, stream.state, stream.telling, stream.world)


def report_answer(stream: Stream, cluster: Cluster, host: Host, response: Response, *, grpc: bool) -> None:
    """Report an answer; a gRPC request's ``grpc-status`` among the headers counts in place of the HTTP status."""
    if cluster.health_check is not None and IMMEDIATE_FAILURE in response.headers:
        fail_immediately(cluster, host, stream.world, stream.state, stream.telling)
    if cluster.outlier_detection is None:
        return
    code = response.status
    if grpc and "grpc-status" in response.headers:
        status = grpc_status(response.headers)
        code = GRPC_TO_HTTP[status] if 0 <= status < len(GRPC_TO_HTTP) else 500
    elif not grpc and cluster.error_matcher is not None:
        code = cluster.error_matcher.code(response)
    degraded = code < 500 and "x-envoy-degraded" in response.headers
    report(stream, cluster, host, "degraded" if degraded else "answer", code)
