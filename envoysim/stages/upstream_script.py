"""What the scripted other side does: behaviours of a request, of an endpoint, of a cluster, of everything."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..model.behaviour import PLAIN_REPLY, Behaviour, Upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.request import Request
    from ..model.world import State, World

CONNECT_ACTIONS: Final = frozenset({"refuse", "connect_timeout"})
"""Actions that meet the connection, before any request is sent."""
_PLAIN: Final = Upstream()


@dataclass(slots=True)
class Turns:
    """How many arrivals an endpoint has seen; kept in ``State``."""

    arrivals: int = 0


@dataclass(slots=True)
class Script:
    """Chooses the behaviour each attempt of one request meets.

    A request's own list goes by the attempts that arrived: a connection that an endpoint's standing
    behaviour refuses takes no turn of it. An endpoint's own list goes by its arrivals and starts over.
    """

    request: Request
    world: World
    state: State
    received: int = 0
    received_by_endpoint: dict[str, int] = field(default_factory=dict)
    drawn: Behaviour | None = None
    """What the upstream model has said already about the attempt that is about to arrive."""

    @property
    def says_nothing(self) -> bool:
        """Nothing is scripted at all: every endpoint accepts and answers plainly."""
        request = self.request
        world = self.world
        scripted = world.upstreams or request.upstream or request.upstream_by_endpoint
        return not scripted and world.upstream_model is None

    def nature(self, endpoint: str, cluster: str) -> Upstream:
        """Return what is said about the endpoint: ``tls`` and ``protocol`` of the nearest entry that has them."""
        upstreams = self.world.upstreams
        if not upstreams:
            return _PLAIN
        return upstreams.get(endpoint) or upstreams.get(cluster) or upstreams.get("*") or _PLAIN

    def meets_connection(self, endpoint: str, cluster: str) -> Behaviour | None:
        """Return the behaviour that refuses (or never accepts) a connection now, if there is one."""
        standing = self._standing(endpoint, cluster)
        if standing:
            turns = self._turns(endpoint)
            behaviour = standing[turns.arrivals % len(standing)]
            if behaviour.action in CONNECT_ACTIONS:
                turns.arrivals += 1
                return behaviour
        own = self._own(endpoint)
        if own is not None and own.action in CONNECT_ACTIONS:
            self._take_own(endpoint)
            return own
        model = self.world.upstream_model
        return None if model is None or standing else model.meets_connection(endpoint, cluster, self.state.now_ms)

    def meets_request(self, endpoint: str, cluster: str) -> Behaviour:
        """Return what happens to a request that has arrived."""
        own = self._own(endpoint)
        if own is not None:
            self._take_own(endpoint)
            return own
        standing = self._standing(endpoint, cluster)
        if not standing:
            model = self.world.upstream_model
            if model is None:
                return PLAIN_REPLY
            drawn, self.drawn = self.drawn, None
            return drawn or model.meets_request(endpoint, cluster, self.state.now_ms)
        turns = self._turns(endpoint)
        behaviour = standing[turns.arrivals % len(standing)]
        turns.arrivals += 1
        return behaviour

    def _own(self, endpoint: str) -> Behaviour | None:
        request = self.request
        if request.upstream:
            return request.upstream[min(self.received, len(request.upstream) - 1)]
        if request.upstream_by_endpoint and (listed := request.upstream_by_endpoint.get(endpoint)):
            return listed[min(self.received_by_endpoint.get(endpoint, 0), len(listed) - 1)]
        return None

    def _take_own(self, endpoint: str) -> None:
        self.received += 1
        if self.request.upstream_by_endpoint:
            self.received_by_endpoint[endpoint] = self.received_by_endpoint.get(endpoint, 0) + 1

    def _standing(self, endpoint: str, cluster: str) -> Sequence[Behaviour]:
        upstreams = self.world.upstreams
        if not upstreams:
            return ()
        for key in (endpoint, cluster, "*"):
            upstream = upstreams.get(key)
            if upstream is not None and upstream.behaviours:
                return upstream.behaviours
        return ()

    def _turns(self, endpoint: str) -> Turns:
        return self.state.slot(("arrivals", endpoint), Turns)
