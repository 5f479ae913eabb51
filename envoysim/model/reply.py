"""Responses on their way downstream."""

from __future__ import annotations

from ..lazy_dataclass import dataclass
from .headers import HeaderMap


@dataclass(frozen=True, slots=True)
class LocalReply:
    """An answer Envoy makes itself (``sendLocalReply``).

    ``headers`` are set on the response before response mutations. ``flags`` and ``details`` go into the
    access log. ``grpc_status`` overrides the mapping from ``status`` for gRPC requests. ``close`` asks for
    the connection to be closed after it. ``early`` is a codec's answer: nobody has looked at the headers yet, so
    gRPC is not known of. ``late_flags`` are set when the answer is made but has not passed the encoder filters:
    local reply mappers and route mutations do not see them, the filters and the access log do.
    """

    status: int
    details: str
    body: str = ""
    flags: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    grpc_status: int | None = None
    close: bool = False
    early: bool = False
    late_flags: tuple[str, ...] = ()


@dataclass(slots=True)
class Response:
    """A response travelling through the encoder filters.

    ``body`` is text, or ``ECHO``. ``cut`` is true when the body ends before its end (the stream was
    reset after headers). ``local`` marks Envoy's own answers. ``details`` is the response code details.
    """

    status: int
    headers: HeaderMap
    body: str = ""
    trailers: HeaderMap | None = None
    local: bool = False
    details: str = "via_upstream"
    cut: bool = False
    close: bool = False
    """Envoy closes the HTTP/1 connection after this answer."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A filter holds the request for ``ms`` of virtual time; then it goes on, or ``then`` answers."""

    ms: float
    then: LocalReply | None = None


@dataclass(frozen=True, slots=True)
class Aborted:
    """The stream ends without (further) answer: ``closed`` as in the contract's outcome."""

    closed: str
    flags: tuple[str, ...] = ()
    details: str | None = None
