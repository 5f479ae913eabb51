"""Play a case on both sides and compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from envoysim.load import load
from envoysim.model.behaviour import Behaviour, Upstream
from envoysim.model.request import Request
from envoysim.model.world import World
from envoysim.stages.proxy import Proxy
from envoysim.verify.compare import Difference
from envoysim.verify.follow import PATIENCE_MS, follow
from envoysim.verify.judge import Judgement, Observed, judge, mirror_clusters
from envoysim.verify.local_address import local_address

from .certificates import lab_context
from .generate import Case

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One request on which the two sides differ."""

    seed: int
    request: Request
    differences: tuple[Difference, ...]


def play(binary: Path, case: Case) -> list[Disagreement]:
    """Return the disagreements of a case; raises EnvoyFailed when Envoy refuses its configuration."""
    judgement = observe(binary, case)
    return compare_all(case, judgement.config_dump, judgement.observed)


def observe(binary: Path, case: Case) -> Judgement:
    """Let the real Envoy answer a case's requests; raises EnvoyFailed when it refuses the configuration."""
    mirrors = mirror_clusters(case.bootstrap)
    aside = case.side | {endpoint for endpoint, cluster in case.clusters.items() if cluster in mirrors}
    speak_tls = [endpoint for endpoint, upstream in case.upstreams.items() if upstream.tls]
    tls = dict.fromkeys(speak_tls, lab_context()) if speak_tls else {}
    judgement = judge(binary, case.bootstrap, case.requests, case.endpoints, case.upstreams, tls, aside)
    return replace(judgement, observed=tuple(_without(case.side, seen) for seen in judgement.observed))


def _without(side: frozenset[str], seen: Observed) -> Observed:
    return replace(seen, sightings=tuple(s for s in seen.sightings if s.endpoint not in side))


def compare_all(case: Case, config_dump: Json, observed: Sequence[Observed]) -> list[Disagreement]:
    """Simulate the same requests on Envoy's own dump and compare one by one."""
    clusters = dict(case.clusters) or {endpoint: f"c{i}" for i, endpoint in enumerate(case.endpoints)}
    proxy = Proxy(load([config_dump]), local_address=local_address())
    refuses = Upstream(behaviours=(Behaviour(action="refuse"),))
    upstreams = {**dict.fromkeys(case.dead, refuses), **case.upstreams}
    world = World(upstreams=upstreams, patience_ms=PATIENCE_MS)
    return [
        Disagreement(case.seed, seen.request, tuple(found))
        for seen, found in follow(proxy, observed, clusters, world)
        if found
    ]


def shrink(binary: Path, case: Case, guilty: Request) -> Case:
    """Drop virtual hosts, routes, filters and fields while ``guilty`` still disagrees; return the smaller case."""
    small = replace(case, requests=(guilty,))
    if not _still(binary, small):
        return case
    progress = True
    while progress:
        progress = False
        for candidate in _smaller(small.bootstrap):
            attempt = replace(small, bootstrap=candidate)
            if _still(binary, attempt):
                small, progress = attempt, True
                break
    return small


def _still(binary: Path, case: Case) -> bool:
    from envoysim.verify.process import EnvoyFailed

    try:
        return bool(play(binary, case))
    except (EnvoyFailed, ValueError):
        return False


KEPT = frozenset({"@type", "name", "address", "stat_prefix", "domains", "clusters", "load_assignment", "match"})


def _smaller(value: Any) -> list[Any]:
    """Return copies of ``value``, each without one list element or one optional field, largest pieces first."""
    import copy

    places: list[tuple[int, tuple[Any, ...]]] = []

    def walk(item: Any, path: tuple[Any, ...]) -> int:
        size = 1
        if isinstance(item, dict):
            for key, child in item.items():
                below = walk(child, (*path, key))
                size += below
                if key not in KEPT:
                    places.append((below, (*path, key)))
        elif isinstance(item, list):
            for i, child in enumerate(item):
                below = walk(child, (*path, i))
                size += below
                if len(item) > 1:
                    places.append((below, (*path, i)))
        return size

    listeners = value["static_resources"]["listeners"]
    walk(listeners[0]["filter_chains"][0]["filters"][0]["typed_config"], ())
    found = []
    for _, path in sorted(places, key=lambda p: -p[0]):
        smaller = copy.deepcopy(value)
        target = smaller["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        for step in path[:-1]:
            target = target[step]
        del target[path[-1]]
        found.append(smaller)
    return found
