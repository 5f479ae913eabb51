"""The changes of a scenario as events: conduct of upstreams, and what Envoy is told of hosts' health."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from ..errors import ScenarioError
from ..stages.host import DEGRADED_EDS_HEALTH, DRAINING, FAILED_EDS_HEALTH, Host
from ..stages.load_balancer import live_cluster
from .marked_yaml import did_you_mean
from .settings import Change, Scenario

if TYPE_CHECKING:
    from ..stages.cluster import Cluster
    from ..stages.proxy import Proxy
    from .play import Play

TOLD: Final = {
    "leave": DRAINING,
    "draining": DRAINING,
    "unhealthy": FAILED_EDS_HEALTH,
    "degraded": DEGRADED_EDS_HEALTH,
}
"""State -> the health flag that endpoint discovery would set."""
HEALTHY: Final = "healthy"
GONE: Final = "leave"
EDS_FLAGS: Final = frozenset(TOLD.values())


class Changes:
    """Puts the changes on the clock of a run."""

    def __init__(self, play: Play) -> None:
        self._play = play

    def schedule(self) -> None:
        """Schedule every change, in the order of the rules."""
        for key, rule in self._play.scenario.upstreams.items():
            hosts = list(hosts_of(self._play.proxy, key)) if _tells(rule.changes) else []
            for change in rule.changes:
                self._play.at(change.at_ms, self._event(key, change, hosts))

    def _event(self, key: str, change: Change, hosts: list[tuple[Cluster, Host]]) -> Callable[[], None]:
        def happen() -> None:
            play = self._play
            live = play.upstreams.rules[key]
            before, live.conduct = live.conduct.state, change.conduct
            play.watch.script(key, change.conduct.state or _conduct_word(live.rule.conduct, change), change.text)
            if before in TOLD or change.conduct.state in TOLD or change.conduct.state == HEALTHY:
                self._tell(hosts, before, change.conduct.state)

        return happen

    def _tell(self, hosts: Iterable[tuple[Cluster, Host]], before: str, now: str) -> None:
        """Change what endpoint discovery says of hosts."""
        play = self._play
        for cluster, host in hosts:
            play.watch_cluster(cluster.name)
            live = live_cluster(cluster, play.world, play.state)
            if before == GONE:  # who comes back is a new host
                live.uptimes.passed_ms.pop(host, None)
            if now == HEALTHY:
                live.clear_flags(host, EDS_FLAGS, play.state.now_ms)
            for state, on in ((before, False), (now, True)):
                if state in TOLD:
                    live.set_flag(host, TOLD[state], on, play.state.now_ms)
            play.watch.look(play.watch.clusters[cluster.name])


def _conduct_word(base: object, change: Change) -> str:
    return "" if change.conduct == base else "changed"


def _tells(changes: Iterable[Change]) -> bool:
    return any(change.conduct.state in TOLD or change.conduct.state == HEALTHY for change in changes)


def hosts_of(proxy: Proxy, key: str) -> Iterable[tuple[Cluster, Host]]:
    """Return the hosts a rule is about: a cluster's, everybody's, or those with an address."""
    if key in proxy.dump.clusters:
        names: Iterable[str] = (key,)
    else:
        names = proxy.dump.clusters
    for name in names:
        cluster = proxy.cluster(name)
        if cluster is not None:
            for host in cluster.hosts:
                if key in (name, "*", host.endpoint):
                    yield cluster, host


def check_upstreams(scenario: Scenario, proxy: Proxy, file: str) -> None:
    """Refuse upstreams that nobody knows; raises ScenarioError with file and line."""
    clusters = proxy.dump.clusters
    endpoints: list[str] | None = None
    for key, rule in scenario.upstreams.items():
        if key == "*" or key in clusters:
            continue
        if endpoints is None:
            endpoints = [host.endpoint for _, host in hosts_of(proxy, "*")]
        if key in endpoints:
            continue
        address = key.rpartition(":")[2].isdigit()
        what, known = ("endpoint", endpoints) if address and key not in clusters else ("cluster", list(clusters))
        hint = did_you_mean(key, known) or did_you_mean(key, [*clusters, *endpoints])
        help_ = None
        if not hint:
            shown = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
            help_ = f"{what}s: {shown}" if shown else f"the dump has no {what}s"
        raise ScenarioError(f"unknown {what} `{key}` in `upstreams`{hint}", place=f"{file}:{rule.line}", help=help_)
