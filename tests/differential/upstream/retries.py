"""Retries: every condition of ``retry_on`` meets every way an upstream can fail.

Each condition has a route of its own; a header names the cluster, so that every failure reaches a cluster that can
have it. Order and number of attempts, status, flags and details must be Envoy's.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from envoysim.model.behaviour import Action, Behaviour
from envoysim.stages.retry import GRPC_TOKENS, HTTP_TOKENS

from .. import runner
from ..build import HTTP2, Bench, Json, route
from ..generate import Case
from .findings import Findings, in_words

Pairs = tuple[tuple[str, str], ...]
OK = Behaviour(body="up")
GRPC: Pairs = (("content-type", "application/grpc"),)
GRPC_UNAVAILABLE, GRPC_NOT_FOUND = 14, 5
INTERNAL: Pairs = (("x-forwarded-for", "10.0.0.1"),)
"""From an internal client: its x-envoy-* headers count."""
CUTS: tuple[Action, ...] = ("reset", "close", "garbage", "partial")
PER_TRY_MS = 90
CONDITIONS = (*HTTP_TOKENS, *GRPC_TOKENS, "5xx,retriable-4xx", "unavailable,reset", "", "no-such-condition")


@dataclass(frozen=True, slots=True)
class Failure:
    """A way to fail: what the endpoints do, of which cluster, to which request."""

    name: str
    behaviour: Behaviour
    cluster: str = "h1"
    headers: Pairs = ()


def _status(status: int, *headers: tuple[str, str]) -> Behaviour:
    return Behaviour(status=status, headers=headers, body="up")


def _trailers(status: int) -> Behaviour:
    return Behaviour(headers=GRPC, body="up", trailers=(("grpc-status", str(status)),))


FAILURES: tuple[Failure, ...] = (
    *(Failure(str(status), _status(status)) for status in (400, 404, 409, 425, 429, 500, 501, 502, 503, 504, 599)),
    Failure("429 rate limited", _status(429, ("x-envoy-ratelimited", "true"))),
    Failure("503 rate limited", _status(503, ("x-envoy-ratelimited", "true"))),
    Failure("503 overloaded", _status(503, ("x-envoy-overloaded", "true"))),
    Failure("200 with a retriable header", _status(200, ("x-retry", "1"))),
    Failure("503 to grpc", _status(503), "h2", GRPC),
    *(
        Failure(f"grpc-status {status}", Behaviour(grpc_status=status), cluster, GRPC)
        for status, cluster in product((0, 1, 4, GRPC_NOT_FOUND, 8, 13, GRPC_UNAVAILABLE), ("h1", "h2"))
    ),
    Failure("grpc-status 14 to http", Behaviour(grpc_status=GRPC_UNAVAILABLE)),
    Failure("grpc-status 14 in trailers", _trailers(GRPC_UNAVAILABLE), "h2", GRPC),
    *(
        Failure(f"{action} over {cluster}", Behaviour(action=action), cluster)
        for action, cluster in product(CUTS, ("h1", "h2"))
    ),
    *(Failure(f"RST_STREAM {code}", Behaviour(action="h2_reset", reset_code=code), "h2") for code in (0, 2, 7, 8, 11)),
    Failure("slower than a try", Behaviour(body="up", delay_ms=4 * PER_TRY_MS)),
    Failure("slower than a try over h2", Behaviour(body="up", delay_ms=4 * PER_TRY_MS), "h2"),
    Failure("refused", OK, "dead"),
    Failure("one of three refuses", OK, "limping"),
    Failure("one of three refuses, two fail", _status(503), "limping"),
)


def _policy(retry_on: str) -> Json:
    return {
        "retry_on": retry_on,
        "num_retries": 2,
        "per_try_timeout": f"{PER_TRY_MS / 1000}s",
        "retriable_status_codes": [404, 425],
        "retriable_headers": [{"name": "x-retry"}],
        "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"},
    }


def _asks(condition: str) -> Pairs:
    """The headers by which a client asks for ``condition`` on a route without a policy."""
    name = "x-envoy-retry-grpc-on" if condition in GRPC_TOKENS else "x-envoy-retry-on"
    return (
        (name, condition),
        ("x-envoy-max-retries", "2"),
        ("x-envoy-retriable-status-codes", "404,425"),
        ("x-envoy-retriable-header-names", "x-retry"),
        ("x-envoy-upstream-rq-per-try-timeout-ms", str(PER_TRY_MS)),
    )


def _scripts(rng: random.Random, failure: Failure) -> Iterator[tuple[str, tuple[Behaviour, ...]]]:
    """The failure for good, once, and before another one."""
    yield "for good", (failure.behaviour,)
    yield "once", (failure.behaviour, OK)
    other = rng.choice([f for f in FAILURES if f.cluster == failure.cluster])
    yield f"then {other.name}", (failure.behaviour, other.behaviour, OK)


def make(seed: int, share: float = 1.0) -> Case:
    """Return conditions times failures: every one for good, a quarter of the other scripts, in a drawn order.

    ``share`` of them is drawn in turn.
    """
    rng = random.Random(seed)
    bench = Bench(rng)
    bench.cluster("h1", 3)
    bench.cluster("h2", 3, typed_extension_protocol_options=HTTP2)
    bench.cluster("dead", localities=[{"lb_endpoints": [bench.endpoint("dead", dead=True) for _ in range(2)]}])
    limping = [bench.endpoint("limping", dead=i == 1) for i in range(3)]
    bench.cluster("limping", localities=[{"lb_endpoints": limping}])
    to_named: Json = {"cluster_header": "x-cluster", "timeout": "1.5s"}
    routes = [
        route(f"on {condition}", {"path": f"/{i}"}, action={**to_named, "retry_policy": _policy(condition)})
        for i, condition in enumerate(CONDITIONS)
    ]
    destination = bench.serve([*routes, route("asked", {"prefix": "/"}, action=to_named)])
    for (i, condition), failure in product(enumerate(CONDITIONS), FAILURES):
        for words, behaviours in _scripts(rng, failure):
            for path, asks in ((f"/{i}", ()), ("/asked", _asks(condition))):
                always = words == "for good" and not asks
                if rng.random() < share * (1.0 if always else 0.25):
                    name = f"{condition or 'nothing'}{' asked for' if asks else ''}, {failure.name} {words}"
                    headers = (("x-cluster", failure.cluster), *INTERNAL, *failure.headers, *asks)
                    bench.send(destination, id=name, path=path, headers=headers, upstream=behaviours)
    rng.shuffle(bench.requests)
    return bench.case(seed, "retries")


def play(binary: Path, seed: int, share: float = 1.0) -> Findings:
    """Play the cases on both sides."""
    case = make(seed, share)
    lines = (in_words(d.request.id, d.differences) for d in runner.play(binary, case))
    return Findings("retries", len(case.requests), tuple(lines))
