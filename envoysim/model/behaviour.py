"""How an upstream endpoint behaves: the scripted other side of a simulation."""

from __future__ import annotations

from typing import Literal, Protocol

from ..lazy_dataclass import dataclass

Action = Literal[
    "reply", "refuse", "connect_timeout", "reset", "close", "hang", "partial", "stall", "garbage", "h2_reset"
]

ECHO = "<echo>"
"""The body of the default answer: the upstream's description of what it received."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What an endpoint does with one attempt; ``body`` is ``ECHO`` for the default answer.

    ``reply`` answers; ``refuse`` refuses the connection; ``connect_timeout`` never accepts it;
    ``reset`` sends RST before headers; ``close`` FIN before headers; ``hang`` never answers;
    ``partial`` sends headers and closes within the body; ``stall`` sends headers, then nothing;
    ``garbage`` sends bytes that are not HTTP; ``h2_reset`` RST_STREAM with ``reset_code`` (a plain
    reply on HTTP/1). ``grpc_status`` means a trailers-only answer of ``application/grpc``.
    ``delay_ms`` passes before the action.
    """

    action: Action = "reply"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ECHO
    trailers: tuple[tuple[str, str], ...] = ()
    grpc_status: int | None = None
    delay_ms: float = 0.0
    reset_code: int = 0


@dataclass(frozen=True, slots=True)
class Upstream:
    """An endpoint's nature and standing behaviours.

    ``tls`` and ``protocol`` (``HTTP/1.1`` or ``HTTP/2``) are ``None`` where the endpoint speaks what
    its cluster is configured to speak. ``behaviours`` are gone through in turn, over and over.
    """

    tls: bool | None = None
    protocol: str | None = None
    behaviours: tuple[Behaviour, ...] = ()


PLAIN_REPLY = Behaviour()


class UpstreamModel(Protocol):
    """Upstreams whose behaviour is drawn for every attempt, at its time, in place of a list."""

    def meets_connection(self, endpoint: str, cluster: str, now_ms: float) -> Behaviour | None:
        """Return the behaviour that refuses (or never accepts) a connection now; ``None`` where it is accepted."""

    def meets_request(self, endpoint: str, cluster: str, now_ms: float) -> Behaviour:
        """Return what happens to a request that arrives now."""
