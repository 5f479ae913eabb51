"""What rules claim of requests to a sick or slow upstream happens: in the simulation, and in the real Envoy."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Final

import pytest

from envoysim.lazy_dataclass import dataclass
from envoysim.model.behaviour import Behaviour
from envoysim.model.outcome import Outcome
from envoysim.model.request import Connection, ProxyProtocol, Request
from envoysim.model.world import World
from envoysim.simulate import simulate
from envoysim.stages.proxy import Proxy
from envoysim.verify.binary import find_envoy
from envoysim.verify.client import Client
from envoysim.verify.judge import instrument
from envoysim.verify.ports import free_ports
from envoysim.verify.process import run_envoy
from envoysim.verify.rebuild import rebuild
from envoysim.verify.upstreams import ScriptedUpstreams

from .test_rules import broken

ADDRESS: Final = "127.0.0.1:80"
PATIENCE_SECONDS: Final = 30.0
LOG_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A request to the proxy broken in a rule's way, what its upstream does, and what comes of it.

    ``details`` is a part of the response code details. ``real``: the real Envoy is asked too (not where it takes
    minutes, or where what is wrong is not on loopback).
    """

    code: str
    status: int | None
    flags: str = ""
    details: str = ""
    attempts: int | None = None
    does: tuple[Behaviour, ...] = ()
    path: str = "/pay"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    real: bool = True


def slow(seconds: float) -> tuple[Behaviour, ...]:
    return (Behaviour(delay_ms=1000 * seconds),)


REFUSES: Final = (Behaviour(action="refuse"),)
HANGS: Final = (Behaviour(action="hang"),)
SICK: Final = (Behaviour(status=503),)
PREFLIGHT: Final = (("origin", "https://else.example"), ("access-control-request-method", "GET"))
UPGRADE: Final = (("connection", "Upgrade"), ("upgrade", "websocket"))
GRPC: Final = (("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "60S"))
CLAIMS: Final = (
    Claim("ESM318", 503, "UF", path="/pay", does=REFUSES, real=False),
    Claim("ESM332", 400, "DPE", "unexpected_underscore", 0, headers=(("a_b", "1"),)),
    Claim("ESM333", 200, "", "via_upstream", 1),
    Claim("ESM334", 403, "", "upgrade_failed", 0, headers=UPGRADE),
    Claim("ESM505", 200, attempts=1, path="/admin", real=False),
    Claim("ESM515", 200, attempts=1, path="/other"),
    Claim("ESM601", 504, "UT", "response_timeout", 1, slow(16), path="/untimed"),
    Claim("ESM602", 504, "UT", "response_timeout", 1, HANGS),
    Claim("ESM603", 503, "UF", attempts=1, does=REFUSES),
    Claim("ESM604", 409, "", "via_upstream", 1, (Behaviour(status=409),)),
    Claim("ESM605", 200, "", "via_upstream", 2, (*SICK, Behaviour()), method="POST"),
    Claim("ESM606", 503, "UF,URX", attempts=11, does=REFUSES),
    Claim("ESM607", 504, "UT", "response_timeout", 1, HANGS),
    Claim("ESM609", 504, "SI", "stream_idle_timeout", 1, slow(301), real=False),
    Claim("ESM610", None, details="max_duration", attempts=1, does=slow(31), real=False),
    Claim("ESM611", 200, "", "via_upstream", 1, slow(6)),
    Claim("ESM613", 200, "", "via_upstream", 1, slow(400), real=False),
    Claim("ESM615", 503, "", "via_upstream", 1, SICK),
    Claim("ESM616", 504, "UT", attempts=0, does=(Behaviour(action="connect_timeout"),), real=False),
    Claim("ESM617", 503, "UF,UO", attempts=1, does=REFUSES),
    Claim("ESM623", 200, "UT", "response_timeout", 1, slow(3), method="POST", headers=GRPC),
)
IDS: Final = [claim.code for claim in CLAIMS]


def request_of(claim: Claim) -> Request:
    return Request(
        connection=Connection(listener="web", destination=ADDRESS),
        authority="shop.example",
        path=claim.path,
        method=claim.method,
        headers=claim.headers,
        upstream=claim.does,
    )


def assert_happened(claim: Claim, status: int | None, flags: str, details: str, attempts: int) -> None:
    seen = (status, flags, details, attempts)
    assert claim.status in (None, status), seen
    assert set(claim.flags.split(",")) - {""} == set(flags.split(",")) - {"", "-"}, seen
    assert claim.details in details, seen
    assert claim.attempts in (None, attempts), seen


@pytest.mark.parametrize("claim", CLAIMS, ids=IDS)
def test_in_the_simulation(claim: Claim) -> None:
    dump, new, _ = broken(claim.code, "healthy")
    outcome: Outcome = simulate(Proxy(dump), request_of(claim), World()).outcome

    assert new
    assert not outcome.unknown
    flags, details = ",".join(outcome.response_flags), outcome.response_code_details or ""
    assert_happened(claim, outcome.status, flags, details, len(outcome.attempts))


@pytest.mark.slow
@pytest.mark.envoy
@pytest.mark.parametrize("claim", [c for c in CLAIMS if c.real], ids=lambda c: c.code)
def test_in_the_real_envoy(claim: Claim) -> None:
    dump, _, _ = broken(claim.code, "healthy")
    made = rebuild(dump)
    ip, _, port = made.listeners["web"].partition(":")
    (admin_port,) = free_ports(1)
    listening = [] if claim.does == REFUSES else [*made.endpoints.values()]
    with (
        ScriptedUpstreams(listening) as upstreams,
        run_envoy(find_envoy(), instrument(made.bootstrap), admin_port) as envoy,
        Client(timeout=PATIENCE_SECONDS) as client,
    ):
        upstreams.script(claim.does, {})
        # Listeners that are rebuilt for loopback are told by a PROXY header where the client went.
        asked = request_of(claim)
        connection = replace(asked.connection, proxy_protocol=ProxyProtocol("127.0.0.1:40000", ADDRESS))
        answer = client.send(replace(asked, connection=connection), ip, int(port))
        deadline = time.monotonic() + LOG_SECONDS
        log = envoy.folder / "http.log"
        while not (log.exists() and log.read_text(encoding="utf-8").endswith("\n")) and time.monotonic() < deadline:
            time.sleep(0.02)
        entry = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
    assert answer.status == entry["code"]
    assert_happened(claim, answer.status, entry["flags"] or "", entry["details"] or "", entry["attempts"] or 0)
