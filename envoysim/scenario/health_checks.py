"""Active health checks over virtual time: the upstreams answer them as they would answer a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..stages.cluster import Cluster
from ..stages.health_check import FAILURE, NETWORK, SUCCESS, TIMEOUT, check_result
from ..stages.host import Host

if TYPE_CHECKING:
    from .play import Play

CONNECTIONS: Final = frozenset({"refuse", "connect_timeout", "leave"})


class HealthChecks:
    """The checks of every watched cluster that has them."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self._stopped = False

    def stop(self) -> None:
        """Check no more: the scenario is over."""
        self._stopped = True

    def start(self, cluster: Cluster) -> None:
        """Check the hosts of a cluster from now on, the first time after one interval."""
        check = cluster.health_check
        if check is None or check.interval_ms <= 0:
            return
        for host in cluster.hosts:
            if host.checked:
                self._play.at(self._play.state.now_ms + check.interval_ms, self._event(cluster, host))

    def _event(self, cluster: Cluster, host: Host) -> Callable[[], None]:
        def happen() -> None:
            if self._stopped:
                return
            play = self._play
            result = self._result(cluster, host)
            wait_ms = check_result(cluster, host, result, play.world, play.state, play.telling)
            if wait_ms is not None and wait_ms > 0:
                play.at(play.state.now_ms + wait_ms, happen)

        return happen

    def _result(self, cluster: Cluster, host: Host) -> str:
        """Tell what a check meets now; it takes no turn of the requests' random numbers and no place in a queue."""
        model = self._play.upstreams.endpoint(host.endpoint, cluster.name)
        state = model.state()
        if state in CONNECTIONS:
            return NETWORK
        if state == "hang":
            return TIMEOUT
        law = model.check()
        if law.action in ("reply", "partial"):
            return SUCCESS if 200 <= law.status < 300 else FAILURE
        return TIMEOUT if law.action in ("hang", "stall") else NETWORK
