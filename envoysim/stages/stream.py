"""One HTTP request inside the proxy: Envoy's ActiveStream and StreamInfo.

Stages read and write a ``Stream``; everything else they touch is frozen. It knows no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from ..lazy_dataclass import dataclass
from ..model.address import Address
from ..model.headers import HeaderMap
from ..model.outcome import Attempt, Note
from ..model.ref import Ref
from ..model.request import Certificate, Request
from ..model.trace import Rejected, Step
from ..model.world import State, World

if TYPE_CHECKING:
    from .filter_chain import FilterChain
    from .http_connection_manager import HttpConnectionManager
    from .listener import Listener
    from .proxy import Proxy
    from .route import Route
    from .route_configuration import RouteConfiguration
    from .virtual_host import VirtualHost

T = TypeVar("T")
_new = tuple.__new__
Story: TypeAlias = Generator[float, None, T]
"""A story in virtual time: yields the absolute time (ms) at which it wants to go on."""


@dataclass(slots=True)
class Telling:
    """Collects what is said about one request: the one place where steps are made."""

    explain: bool
    steps: list[Step] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    stats: dict[str, int] = field(default_factory=dict)
    assumed: list[str] = field(default_factory=list)
    attempt: int = 0
    now_ms: float = 0.0

    def step(
        self,
        stage: str,
        ref: Ref | None,
        template: str,
        *args: object,
        losers: Callable[[], tuple[Rejected, ...]] | None = None,
    ) -> None:
        """Record what ``stage`` decided; ``losers`` is kept only when the story is explained."""
        keep = losers if self.explain else None
        # What ``Step(...)`` does, without the call: a request has a dozen of them.
        self.steps.append(_new(Step, (stage, ref, template, args, keep, self.attempt, self.now_ms)))

    def repeat(self, steps: Sequence[Step], at_ms: float) -> None:
        """Record steps that were told of another request at ``at_ms`` and hold for this one."""
        self.steps += steps if at_ms == self.now_ms else [step._replace(at_ms=self.now_ms) for step in steps]

    def note(self, ref: Ref | None, text: str) -> None:
        """Record something unmodelled or unknown, once."""
        note = Note(ref, text)
        if note not in self.notes:
            self.notes.append(note)

    def count(self, name: str, by: int = 1) -> None:
        """Raise a counter under Envoy's name."""
        self.stats[name] = self.stats.get(name, 0) + by


@dataclass(slots=True)
class DownstreamConnection:
    """A connection as the listener filters leave it.

    ``direct_*`` are the physical addresses; ``local``/``remote`` those after original_dst and
    proxy_protocol. ``transport_protocol`` is ``raw_buffer`` or ``tls``. ``application_protocols`` is what
    tls_inspector or http_inspector saw, in the client's order; ``alpn`` the negotiated protocol ("" for none).
    ``speaks`` is what the client sends: HTTP/1.1, HTTP/1.0, HTTP/2, HTTP/3 or TCP.
    """

    listener: Listener
    direct_local: Address
    direct_remote: Address
    local: Address
    remote: Address
    speaks: str
    client_tls: bool = False
    offered_alpn: tuple[str, ...] = ()
    client_certificate: Certificate | None = None
    restored: bool = False
    """A listener filter restored the destination (original_dst, proxy_protocol)."""
    proxy_header: bool = False
    """A PROXY header that nobody has read yet stands before everything else."""
    handed_on_by: Listener | None = None
    """The listener that accepted it, where the owner of the original destination has it now."""
    waited_ms: float = 0.0
    """How long listener filters waited for bytes that did not come."""
    termination_details: str | None = None
    """Why a network filter closed the connection (CONNECTION_TERMINATION_DETAILS)."""
    access_log: Sequence[str] = ()
    """What the connection's own loggers write, where it did not become a request."""
    transport_protocol: str = "raw_buffer"
    server_name: str = ""
    application_protocols: tuple[str, ...] = ()
    filter_chain: FilterChain | None = None
    tls: bool = False
    """The chosen chain terminated TLS."""
    alpn: str = ""
    peer_certificate: Certificate | None = None
    """The validated client certificate, where the chain asked for one."""
    hcm: HttpConnectionManager | None = None
    """The connection manager that ended the chain, once one has."""
    requests: int = 0
    """How many requests came on it."""
    draining: bool = False
    """It takes no request after the present ones."""
    closed: bool = False
    """The connection did not outlive its last request."""
    metadata: dict[str, dict[str, object]] = field(default_factory=dict)
    filter_state: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Stream:
    """One request and everything Envoy knows of it; mutable, lives for one request."""

    proxy: Proxy
    world: World
    state: State
    telling: Telling
    request: Request
    connection: DownstreamConnection
    hcm: HttpConnectionManager
    protocol: str
    """HTTP/1.0, HTTP/1.1, HTTP/2 or HTTP/3, as spoken downstream."""
    headers: HeaderMap
    """Request headers with ``:method``, ``:authority``, ``:path``, ``:scheme`` in them."""
    trailers: HeaderMap
    body: str
    remote: Address
    """The downstream remote address: XFF-aware once the connection manager has mutated headers."""
    internal: bool = False
    """``x-envoy-internal``: decided by the connection manager."""
    edge: bool = False
    upgrade: str = ""
    """The lower-case upgrade type that was admitted (``websocket``, ``connect``), or ""."""
    route_configuration: RouteConfiguration | None = None
    virtual_host: VirtualHost | None = None
    route: Route | None = None
    route_stale: bool = False
    cluster: str | None = None
    """UPSTREAM_CLUSTER of the access log, once the router has chosen one."""
    virtual_cluster: str | None = None
    metadata: dict[str, dict[str, object]] = field(default_factory=dict)
    filter_state: dict[str, object] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    details: str | None = None
    response_code: int | None = None
    """``%RESPONSE_CODE%``, once Envoy has set it: a local reply's own mutations run before."""
    closes: bool = False
    """The client asked for the HTTP/1 connection to be closed after the answer."""
    start_ms: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)
    mirrors: list[Attempt] = field(default_factory=list)
    upstream_host: str | None = None
    upstream_transport_failure: str | None = None
    facts: dict[str, object] = field(default_factory=dict)
    """Values that one stage leaves for another or for the access log, keyed by the owner's words."""

    def flag(self, *flags: str) -> None:
        """Set response flags (short form), each once."""
        for flag in flags:
            if flag not in self.flags:
                self.flags.append(flag)

    def clear_route_cache(self) -> None:
        """Ask for the route to be chosen anew before the next filter runs."""
        self.route_stale = True
