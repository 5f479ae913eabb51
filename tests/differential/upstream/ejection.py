"""Outlier detection over time: at which request a host is ejected, and at which one it is back.

Every cluster gets a burst of requests in each interval of Envoy's detector, well away from its ticks; the simulation
gets the same requests at the same distance from its own ticks. Where ticks are is seen in Envoy's event log: a host of
a cluster kept for that is ejected and comes back at the next tick.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from envoysim.model.request import Request
from envoysim.verify.client import Client
from envoysim.verify.judge import Judgement, Observed
from envoysim.verify.ports import free_ports
from envoysim.verify.process import Envoy, run_envoy
from envoysim.verify.upstreams import ScriptedUpstreams

from ..build import Behaviour, Bench, Json, route
from ..generate import Case
from .findings import Findings
from .quick import ask, differing_subjects

INTERVAL_S = 2.0
FIRST, LAST = 0.2, 0.9
"""The part of an interval in which a burst must fit."""
BASE, TWICE = "1.94s", "3.88s"
"""Ejection times: a little less than whole intervals, so that no burst decides at which tick a host comes back."""
BURSTS = 9
AT_ONCE = 9
"""Rows that share an Envoy."""
SETTLE_S = 0.012
"""What Envoy's main thread needs to tell its worker about an ejection."""
LONG = "60s"
BAD, GATEWAY, INTERNAL = Behaviour(status=500, body="no"), Behaviour(status=503, body="no"), Behaviour(status=501)


@dataclass(frozen=True, slots=True)
class Row:
    """A cluster: its detector, its hosts, and what the first ``bad`` of them do in the first ``ill`` bursts."""

    name: str
    detector: Json
    hosts: int = 3
    bad: int = 1
    does: tuple[Behaviour, ...] = (BAD,)
    ill: int = BURSTS
    dead: int = 0
    requests: int = 12
    extra: Json = field(default_factory=dict)


def _rates(**detector: object) -> Json:
    """No consecutive failures, small numbers for the judgement at the end of an interval."""
    small = {"success_rate_minimum_hosts": 3, "success_rate_request_volume": 3, "failure_percentage_minimum_hosts": 3}
    never = {"consecutive_5xx": 100, "consecutive_gateway_failure": 100, "consecutive_local_origin_failure": 100}
    return {**never, **small, "failure_percentage_request_volume": 3, "base_ejection_time": BASE, **detector}


SHORT: Json = {"base_ejection_time": BASE, "max_ejection_percent": 100}
UNMERGED: Json = {"common_lb_config": {"update_merge_window": "0s"}}
"""Hosts that return at one tick do so in an order nobody sees; by default the second waits for a second."""
SPLIT: Json = {"split_external_local_origin_errors": True}
ROWS = (
    Row("consecutive 5xx", {"consecutive_5xx": 3, **SHORT}, ill=2),
    Row("growing ejection time", {"consecutive_5xx": 2, "base_ejection_time": BASE, "max_ejection_percent": 100}),
    Row(
        "growing up to a limit",
        {"consecutive_5xx": 2, **SHORT, "base_ejection_time": BASE, "max_ejection_time": TWICE},
    ),
    Row("for ever", {"consecutive_5xx": 3, "base_ejection_time": LONG, "max_ejection_percent": 100}),
    Row("broken by an answer", {"consecutive_5xx": 4, **SHORT}, does=(BAD, BAD, BAD, Behaviour(body="up"))),
    Row(
        "gateway enforced",
        {"consecutive_gateway_failure": 2, "enforcing_consecutive_gateway_failure": 100, **SHORT},
        does=(GATEWAY,),
        ill=2,
    ),
    Row("gateway not enforced", {"consecutive_gateway_failure": 2, **SHORT}, does=(GATEWAY,), ill=3),
    Row(
        "gateway needs 502 to 504",
        {
            "consecutive_5xx": 100,
            "consecutive_gateway_failure": 2,
            "enforcing_consecutive_gateway_failure": 100,
            **SHORT,
        },
        does=(INTERNAL,),
    ),
    Row("not enforced", {"consecutive_5xx": 2, "enforcing_consecutive_5xx": 0, **SHORT}),
    Row("one of ten percent", {"consecutive_5xx": 2, "base_ejection_time": LONG}),
    Row("always one", {"consecutive_5xx": 2, "base_ejection_time": LONG, "always_eject_one_host": True}, bad=2),
    Row("at most half", {"consecutive_5xx": 2, "base_ejection_time": LONG, "max_ejection_percent": 50}, hosts=4, bad=3),
    Row(
        "at most two thirds",
        {"consecutive_5xx": 2, "base_ejection_time": BASE, "max_ejection_percent": 67},
        bad=3,
        extra=UNMERGED,
    ),
    Row("all of them, panic", {"consecutive_5xx": 2, "base_ejection_time": LONG, "max_ejection_percent": 100}, bad=3),
    Row("refused", {"consecutive_5xx": 3, **SHORT}, dead=1),
    Row("refused, split", {"consecutive_local_origin_failure": 2, **SPLIT, **SHORT}, dead=1),
    Row(
        "refused, split, not enforced",
        {"consecutive_local_origin_failure": 2, "enforcing_consecutive_local_origin_failure": 0, **SPLIT, **SHORT},
        dead=1,
    ),
    Row("reset", {"consecutive_5xx": 3, **SHORT}, does=(Behaviour(action="reset"),), ill=3),
    Row(
        "reset, split",
        {"consecutive_local_origin_failure": 2, **SPLIT, **SHORT},
        does=(Behaviour(action="close"),),
        ill=3,
    ),
    Row("answers, split", {"consecutive_5xx": 3, **SPLIT, **SHORT}, ill=2),
    Row("success rate", _rates(success_rate_stdev_factor=1000, max_ejection_percent=100), hosts=4, requests=16, ill=3),
    Row(
        "success rate not enforced",
        _rates(success_rate_stdev_factor=1000, enforcing_success_rate=0),
        hosts=4,
        requests=16,
    ),
    Row(
        "success rate within",
        _rates(success_rate_stdev_factor=1900, max_ejection_percent=100),
        bad=2,
        hosts=4,
        requests=16,
    ),
    Row(
        "failure percentage",
        _rates(enforcing_failure_percentage=100, enforcing_success_rate=0, max_ejection_percent=100),
        hosts=4,
        requests=16,
        ill=3,
    ),
    Row(
        "failure percentage missed",
        _rates(enforcing_failure_percentage=100, enforcing_success_rate=0, max_ejection_percent=100),
        hosts=4,
        requests=16,
        does=(BAD, BAD, BAD, Behaviour(body="up")),
    ),
    Row(
        "failure percentage, local",
        _rates(
            enforcing_failure_percentage_local_origin=100,
            enforcing_local_origin_success_rate=0,
            **SPLIT,
            max_ejection_percent=100,
        ),
        hosts=4,
        requests=16,
        dead=1,
    ),
    Row(
        "success rate, local",
        _rates(success_rate_stdev_factor=1000, **SPLIT, max_ejection_percent=100),
        hosts=4,
        requests=16,
        dead=1,
    ),
)
TICKER = Row("ticker", {"consecutive_5xx": 1, "base_ejection_time": "0.001s", "max_ejection_percent": 100}, hosts=1)


def make(seed: int, group: Sequence[Row]) -> tuple[list[Row], Case, Mapping[str, tuple[str, ...]]]:
    """Return the ticker and ``group``, a case whose requests are their bursts, and the bad endpoints of every row."""
    bench = Bench(random.Random(seed))
    rows = [TICKER, *group]
    ill: dict[str, tuple[str, ...]] = {}
    routes = []
    for number, row in enumerate(rows):
        before = len(bench.cluster_of)
        hosts = [bench.endpoint(row.name, dead=i >= row.hosts - row.dead) for i in range(row.hosts)]
        detector = {"interval": f"{INTERVAL_S}s", **row.detector}
        bench.cluster(row.name, localities=[{"lb_endpoints": hosts}], outlier_detection=detector, **row.extra)
        ill[f"/{number}"] = () if row.dead else tuple([*bench.cluster_of][before : before + row.bad])
        routes.append(route(row.name, {"path": f"/{number}"}, row.name))
    destination = bench.serve(routes)
    most = max(row.requests for row in rows)
    for burst in range(BURSTS):
        for turn in range(most):  # by turns, so that a cluster's requests do not follow at once
            for number, row in enumerate(rows[1:], 1):
                if turn < row.requests:
                    does = row.does if burst < row.ill else ()
                    scripted = {place: (does[turn % len(does)],) for place in ill[f"/{number}"]} if does else {}
                    bench.send(
                        destination, id=str(burst), path=f"/{number}", upstream_by_endpoint=scripted, reuse="one"
                    )
    case = bench.case(seed, "ejection")
    case.bootstrap["cluster_manager"] = {"outlier_detection": {"event_log_path": "ejections.log"}}
    return rows, case, ill


def _ticks(envoy: Envoy) -> list[float]:
    """Return when (Unix time) the ticker's host came back: at a tick."""
    path = envoy.folder / "ejections.log"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    events = [json.loads(line) for line in lines]
    back = [e for e in events if e.get("action") == "UNEJECT" and e.get("cluster_name") == TICKER.name]
    return [datetime.fromisoformat(e["timestamp"].replace("Z", "+00:00")).timestamp() for e in back]


def _next_tick(envoy: Envoy, client: Client, upstreams: ScriptedUpstreams, trigger: Request) -> float:
    """Eject the ticker's host and wait until a tick brings it back; return that moment."""
    known = len(_ticks(envoy))
    ask(client, trigger, upstreams, 0.0)
    while len(ticks := _ticks(envoy)) <= known:
        time.sleep(0.005)
    return ticks[-1]


def observe(binary: Path, case: Case, trigger: Request) -> Judgement:
    """Send every burst within an interval of its own; ``at_ms`` counts from a tick."""
    (admin_port,) = free_ports(1)
    seen: list[Observed] = []
    with (
        Client() as client,
        ScriptedUpstreams(case.endpoints) as upstreams,
        run_envoy(binary, case.bootstrap, admin_port) as envoy,
    ):
        dump = envoy.config_dump()
        for burst in range(BURSTS):
            tick = _next_tick(envoy, client, upstreams, trigger)
            time.sleep(max(0.0, tick + FIRST * INTERVAL_S - time.time()))
            start = time.monotonic() - (time.time() - tick) - burst * INTERVAL_S
            for request in (r for r in case.requests if r.id == str(burst)):
                seen.append(ask(client, request, upstreams, start))
                if seen[-1].answer.status != 200:
                    time.sleep(SETTLE_S)
            if time.time() - tick > LAST * INTERVAL_S:
                raise TimeoutError(f"burst {burst} took {time.time() - tick:.2f} s: too near the next tick")
    return Judgement(dump, tuple(seen))


def play(binary: Path, seed: int, rows: Sequence[Row] = ROWS) -> Findings:
    """Play the rows on both sides, so many at a time as fit an interval."""
    lines: list[str] = []
    for first in range(0, len(rows), AT_ONCE):
        group, case, ill = make(seed, rows[first : first + AT_ONCE])
        failing = dict.fromkeys(ill["/0"], (BAD,))
        trigger = replace(case.requests[0], path="/0", upstream_by_endpoint=failing)
        wrong = differing_subjects(case, observe(binary, case, trigger))
        lines += (f"{group[int(path[1:])].name} {words}" for path, words in wrong.items())
    return Findings("ejection", len(rows), tuple(lines))
