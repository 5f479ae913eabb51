"""What came of a request: the outcome half of the batch contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Literal

from ..lazy_dataclass import dataclass
from .ref import Ref

Closed = Literal["refused", "no_filter_chain", "reset", "eof", "tls"]
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was not modelled or not known, said where it matters."""

    ref: Ref | None
    text: str


@dataclass(slots=True)
class Attempt:
    """One upstream request: what the upstream received and how it ended.

    ``headers`` are what was sent without pseudo-headers, ``host``, ``content-length`` and
    ``transfer-encoding``. ``result`` is the status code as text (``200``), or ``reset``,
    ``refused``, ``connect_timeout``, ``per_try_timeout``, ``timeout``, ``overflow``, ...
    ``protocol`` is ``HTTP/1.1``, ``HTTP/2`` or ``TCP``. ``at_ms`` is virtual time.
    """

    cluster: str
    endpoint: str | None
    at_ms: float
    protocol: str = "HTTP/1.1"
    method: str | None = None
    scheme: str | None = None
    path: str | None = None
    authority: str | None = None
    headers: Pairs = ()
    result: str = ""


@dataclass(slots=True)
class Outcome:
    """How a request ended; the columns of an Envoy access log and more (see docs/contract)."""

    id: str = ""
    status: int | None = None
    closed: Closed | None = None
    response_flags: tuple[str, ...] = ()
    response_code_details: str | None = None
    listener: str | None = None
    filter_chain: str | None = None
    route_config: str | None = None
    virtual_host: str | None = None
    route: str | None = None
    virtual_cluster: str | None = None
    cluster: str | None = None
    route_ref: Ref | None = None
    endpoint: str | None = None
    attempts: tuple[Attempt, ...] = ()
    mirrors: tuple[Attempt, ...] = ()
    headers: Pairs = ()
    body: str = ""
    trailers: Pairs = ()
    duration_ms: float = 0.0
    stats: dict[str, int] = field(default_factory=dict)
    access_log: Sequence[str] = ()
    """Lines; they may be written only when they are read."""
    notes: tuple[Note, ...] = ()
    unknown: str | None = None
    """What would settle the outcome, where the dump cannot (status is then ``None``)."""
