"""Ask the real Envoy many requests quickly: endpoints and answers are seen, no access log is waited for."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from envoysim.load import load
from envoysim.model.behaviour import Behaviour, Upstream
from envoysim.model.request import Request
from envoysim.model.world import World
from envoysim.stages.proxy import Proxy
from envoysim.verify.client import Client
from envoysim.verify.follow import follow
from envoysim.verify.judge import Judgement, Observed
from envoysim.verify.ports import free_ports
from envoysim.verify.process import run_envoy
from envoysim.verify.upstreams import ScriptedUpstreams

from ..generate import Case
from .findings import in_words


def observe(binary: Path, case: Case) -> Judgement:
    """Let the real Envoy answer the requests of ``case``, one after the other."""
    (admin_port,) = free_ports(1)
    with (
        Client() as client,
        ScriptedUpstreams(case.endpoints) as upstreams,
        run_envoy(binary, case.bootstrap, admin_port) as envoy,
    ):
        dump, start = envoy.config_dump(), time.monotonic()
        return Judgement(dump, tuple(ask(client, request, upstreams, start) for request in case.requests))


def ask(client: Client, request: Request, upstreams: ScriptedUpstreams, start: float) -> Observed:
    """Send one request; ``start`` is the monotonic time that counts as 0 ms."""
    upstreams.script(request.upstream, request.upstream_by_endpoint)
    host, _, port = (request.connection.destination or "").rpartition(":")
    at_ms = (time.monotonic() - start) * 1000
    answer = client.send(request, host, int(port))
    return Observed(request, answer, tuple(upstreams.sightings), None, at_ms=at_ms)


def world_of(case: Case) -> World:
    """Return the world in which the endpoints nobody listens on refuse connections."""
    return World(upstreams=dict.fromkeys(case.dead, Upstream(behaviours=(Behaviour(action="refuse"),))))


def by_path(observed: Iterable[Observed]) -> dict[str, list[Observed]]:
    """Group what was seen by subject: the first segment of the path."""
    groups: dict[str, list[Observed]] = defaultdict(list)
    for seen in observed:
        groups[seen.request.path.split("?")[0]].append(seen)
    return groups


def differing_subjects(case: Case, judgement: Judgement) -> dict[str, str]:
    """Return the subjects whose requests do not all agree, with the first difference in words."""
    proxy, wrong = Proxy(load([judgement.config_dump])), {}
    for path, group in by_path(judgement.observed).items():
        followed = follow(proxy, group, dict(case.clusters), world_of(case))
        found = [(i, differences) for i, (_, differences) in enumerate(followed) if differences]
        if found:
            wrong[path] = in_words(f"{path} request {found[0][0]} ({len(found)} differ)", found[0][1])
    return wrong
