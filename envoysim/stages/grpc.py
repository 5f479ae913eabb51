"""What the proxy knows of gRPC: requests, statuses (``source/common/grpc/common.cc``, ``status.cc``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .timeouts import is_grpc

if TYPE_CHECKING:
    from ..model.headers import HeaderMap
    from ..model.reply import Response

UNKNOWN: Final = 2
STATUS_OF_CODE: Final = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
"""HTTP status -> gRPC status (``httpToGrpcStatus``); everything else is UNKNOWN."""

NAMES: Final = (
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
)
SNAKE_NAMES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


def is_grpc_request(headers: HeaderMap) -> bool:
    """Tell whether a request is gRPC's (``isGrpcRequestHeaders``)."""
    return ":path" in headers and is_grpc(headers.get("content-type"))


def status_of_code(code: int) -> int:
    """Return the gRPC status for an HTTP status."""
    return STATUS_OF_CODE.get(code, UNKNOWN)


def grpc_status(response: Response | None, code: int | None) -> int | None:
    """Return a response's gRPC status: of its trailers, its headers, else for ``code`` (``getGrpcStatus``)."""
    value = None
    if response is not None:
        value = (response.trailers.get("grpc-status") if response.trailers is not None else None) or (
            response.headers.get("grpc-status")
        )
    if not value:
        return status_of_code(code) if code is not None else None
    return int(value) if value.isdigit() else -1
