"""What a client sends: the request half of the batch contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from ..lazy_dataclass import dataclass
from .behaviour import Behaviour

Protocol = Literal["HTTP/1.1", "HTTP/1.0", "HTTP/2", "HTTP/3", "TCP"]
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """The client certificate, reduced to what matchers and headers can see."""

    uri_sans: tuple[str, ...] = ()
    dns_sans: tuple[str, ...] = ()
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Tls:
    """The client's TLS hello: SNI, the ALPN list in the client's order, its certificate."""

    server_name: str | None = None
    alpn: tuple[str, ...] = ()
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class ProxyProtocol:
    """The addresses (``ip:port``) of a PROXY header sent before everything else."""

    source: str
    destination: str


@dataclass(frozen=True, slots=True)
class Connection:
    """The downstream connection; addresses are ``ip:port`` texts."""

    listener: str | None = None
    destination: str | None = None
    source: str | None = None
    original_destination: str | None = None
    proxy_protocol: ProxyProtocol | None = None
    tls: Tls | None = None
    protocol: Protocol = "HTTP/1.1"
    reuse: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request as sent; ``headers`` in order, names as written, without pseudo-headers."""

    id: str = ""
    connection: Connection = Connection()
    method: str = "GET"
    scheme: str | None = None
    authority: str | None = None
    path: str = "/"
    headers: Pairs = ()
    trailers: Pairs = ()
    body: str = ""
    at_ms: float | None = None
    pause_ms: float = 0.0
    upstream: tuple[Behaviour, ...] = ()
    upstream_by_endpoint: Mapping[str, tuple[Behaviour, ...]] = field(default_factory=dict)
