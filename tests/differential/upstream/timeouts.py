"""Timeouts, scaled down to tenths of a second: which one fires, when, and what the client gets."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from envoysim.load import load
from envoysim.model.world import State
from envoysim.simulate import simulate
from envoysim.stages.proxy import Proxy
from envoysim.verify.follow import PATIENCE_MS, follow

from .. import runner
from ..build import HTTP2, Behaviour, Bench, Json, route
from ..generate import Case
from .findings import Findings, in_words
from .quick import world_of
from .retries import INTERNAL

Pairs = tuple[tuple[str, str], ...]
GRPC: Pairs = (("content-type", "application/grpc"),)
LATE, EARLY = 60.0, 8.0
"""By how many ms the real duration may be longer or shorter: timers, back-off and a busy machine."""
QUICK: Json = {"retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"}}


@dataclass(frozen=True, slots=True)
class Row:
    """One route and what its requests carry."""

    name: str
    action: Json
    headers: Pairs = ()


def _retried(**policy: object) -> Json:
    return {"retry_on": "5xx,reset", "num_retries": 2, **QUICK, **policy}


def _duration(**limits: str) -> Json:
    return {"max_stream_duration": limits}


ENDS: Json = {"idle_timeout": "0.9s"}
"""Ends what no other timeout does, before the client loses its patience."""
HEDGE: Json = {"hedge_policy": {"hedge_on_per_try_timeout": True}}
ROWS = (
    Row("route timeout", {"timeout": "0.15s"}),
    Row("route timeout, retried", {"timeout": "0.25s", "retry_policy": _retried()}),
    Row("per try", {"timeout": "0.6s", "retry_policy": _retried(per_try_timeout="0.1s")}),
    Row("per try not below the route's", {"timeout": "0.15s", "retry_policy": _retried(per_try_timeout="0.2s")}),
    Row("per try until the route's", {"timeout": "0.25s", "retry_policy": _retried(per_try_timeout="0.1s")}),
    Row("per try without a route's", {"timeout": "0s", "retry_policy": _retried(per_try_timeout="0.1s")}),
    Row("per try not retried", {"retry_policy": {"retry_on": "connect-failure", "per_try_timeout": "0.1s"}}),
    Row("per try idle", {"timeout": "0.7s", "retry_policy": _retried(per_try_idle_timeout="0.1s")}),
    Row("stream idle", {"timeout": "0.6s", "idle_timeout": "0.12s"}),
    Row("stream idle, no route's", {"timeout": "0s", "idle_timeout": "0.12s"}),
    Row("max stream duration", {"timeout": "0.6s", **_duration(max_stream_duration="0.12s")}),
    Row("max stream duration, retried", {"retry_policy": _retried(), **_duration(max_stream_duration="0.25s")}),
    Row("max stream duration off", {"timeout": "0.3s", **_duration(max_stream_duration="0s")}),
    Row("asked for", {}, (("x-envoy-upstream-rq-timeout-ms", "130"),)),
    Row("asked for, per try", {"retry_policy": _retried()}, (("x-envoy-upstream-rq-per-try-timeout-ms", "90"),)),
    Row("asked for, none", {"timeout": "0.15s", "idle_timeout": "0.3s"}, (("x-envoy-upstream-rq-timeout-ms", "0"),)),
    Row("asked for, no number", {"timeout": "0.15s"}, (("x-envoy-upstream-rq-timeout-ms", "1s"),)),
    Row(
        "204 for a timeout",
        {},
        (("x-envoy-upstream-rq-timeout-ms", "130"), ("x-envoy-upstream-rq-timeout-alt-response", "1")),
    ),
    Row("stream duration asked for", {"timeout": "0.4s"}, (("x-envoy-upstream-stream-duration-ms", "120"),)),
    Row("grpc-timeout ignored", {"timeout": "0.2s"}, (*GRPC, ("grpc-timeout", "100m"))),
    Row("grpc-timeout", _duration(grpc_timeout_header_max="0s"), (*GRPC, ("grpc-timeout", "120m"))),
    Row("grpc-timeout capped", _duration(grpc_timeout_header_max="0.1s"), (*GRPC, ("grpc-timeout", "300m"))),
    Row(
        "grpc-timeout less offset",
        _duration(grpc_timeout_header_max="0s", grpc_timeout_header_offset="0.05s"),
        (*GRPC, ("grpc-timeout", "170m")),
    ),
    Row(
        "grpc-timeout, malformed",
        {"timeout": "0.2s", **_duration(grpc_timeout_header_max="0s")},
        (*GRPC, ("grpc-timeout", "x")),
    ),
    Row(
        "grpc-timeout, older form",
        {"max_grpc_timeout": "0.2s", "grpc_timeout_offset": "0.03s"},
        (*GRPC, ("grpc-timeout", "150m")),
    ),
    Row("grpc-timeout, older form, capped", {"max_grpc_timeout": "0.1s"}, (*GRPC, ("grpc-timeout", "1S"))),
    Row("hedged", {"timeout": "0.6s", **HEDGE, "retry_policy": _retried(per_try_timeout="0.1s")}),
    Row(
        "hedged, asked for",
        {"timeout": "0.6s", "retry_policy": _retried(per_try_timeout="0.1s")},
        (("x-envoy-hedge-on-per-try-timeout", "true"),),
    ),
    Row(
        "hedged without retries",
        {"timeout": "0.3s", **HEDGE, "retry_policy": {"retry_on": "5xx", "num_retries": 0, "per_try_timeout": "0.1s"}},
    ),
)
UP = Behaviour(body="up")
SLOW = Behaviour(body="up", delay_ms=340)
SCRIPTS: tuple[tuple[str, tuple[Behaviour, ...]], ...] = (
    ("in time", (UP,)),
    ("hangs", (Behaviour(action="hang"),)),
    ("slow", (SLOW,)),
    ("hangs once", (Behaviour(action="hang"), UP)),
    ("slow, then quick to fail", (SLOW, Behaviour(status=503, body="no"))),
    ("stalls within the body", (Behaviour(action="stall", body="up"),)),
)


def make(seed: int, share: float = 1.0) -> Case:
    """Return rows times scripts over HTTP/1.1 and HTTP/2, or a drawn ``share`` of them."""
    bench = Bench(random.Random(seed))
    bench.cluster("h1", 2)
    bench.cluster("h2", 2, typed_extension_protocol_options=HTTP2)
    routes = [
        route(row.name, {"path": f"/{cluster}/{i}"}, cluster, action={**ENDS, **row.action})
        for (i, row), cluster in product(enumerate(ROWS), ("h1", "h2"))
    ]
    destination = bench.serve(routes)
    for (i, row), (words, script), cluster in product(enumerate(ROWS), SCRIPTS, ("h1", "h2")):
        if bench.chance(share):
            name = f"{row.name}, {words}, {cluster}"
            bench.send(destination, id=name, path=f"/{cluster}/{i}", headers=(*INTERNAL, *row.headers), upstream=script)
    return bench.case(seed, "timeouts")


def play(binary: Path, seed: int, share: float = 1.0) -> Findings:
    """Play the cases on both sides."""
    case = make(seed, share)
    judgement = runner.observe(binary, case)
    proxy, world = Proxy(load([judgement.config_dump])), world_of(case)
    world.patience_ms = PATIENCE_MS
    wrong = []
    for seen, found in follow(proxy, judgement.observed, dict(case.clusters), world):
        if found:
            wrong.append(in_words(seen.request.id, found))
        elif seen.log is not None:
            real = float(seen.log["duration"])
            mine = simulate(proxy, seen.request, world, State()).outcome.duration_ms
            if not mine - EARLY <= real <= mine + LATE:
                wrong.append(f"{seen.request.id}: duration: envoy {real:g} ms, envoysim {mine:g} ms")
    return Findings("timeouts", len(case.requests), tuple(wrong))
