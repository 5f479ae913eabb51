"""The beaten path on the configurations of the recorded oracle, where that lies beside the project."""

from __future__ import annotations

import gzip
import importlib.util
import json
import random
from pathlib import Path
from typing import Any

import pytest

from envoysim.contract import request_from_json
from envoysim.load import load
from envoysim.model.outcome import Outcome
from envoysim.scenario.play import Play
from envoysim.scenario.settings import Conduct, ErrorLaw, LatencyLaw, Phase, Scenario, Traffic, UpstreamRule
from envoysim.stages.proxy import Proxy

SHARED = Path(__file__).parents[3] / "shared"
RECORDED = SHARED / "oracle" / "recorded.jsonl.gz"
EVERY = 12
"""One configuration of so many is played."""
ERRORS = (ErrorLaw(0.05, 503), ErrorLaw(0.02, action="reset"), ErrorLaw(0.03, 409))
UPSTREAMS = {"*": UpstreamRule("*", Conduct(LatencyLaw("exponential", 20.0), ERRORS))}


def _contract(request: dict[str, Any]) -> dict[str, Any]:
    """Say a recorded request in the contract's words, without time and upstreams."""
    spec = importlib.util.spec_from_file_location("score_oracle", SHARED / "tools" / "score_oracle.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.request(request, 0)
    return {key: value for key, value in found.items() if key not in ("upstream", "at_ms", "pause_ms")}


def _run(line: dict[str, Any], scenario: Scenario, *, beaten_paths: bool) -> list[object]:
    records: list[object] = []

    def keep(index: int, outcome: Outcome, start_ms: float) -> None:
        attempts = [(a.endpoint, a.result, a.at_ms) for a in outcome.attempts]
        answer = (outcome.status, outcome.closed, outcome.unknown, outcome.response_flags)
        where = (outcome.response_code_details, outcome.route, outcome.cluster, outcome.endpoint)
        records.append((index, start_ms, play.state.now_ms, answer, where, attempts))

    proxy = Proxy(load([line["config_dump"]]))
    play = Play(proxy, scenario, 5, beaten_paths=beaten_paths, on_outcome=keep)
    play.run()
    return records


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded oracle is not here")
def test_the_beaten_path_changes_nothing() -> None:
    played = 0
    with gzip.open(RECORDED, "rt", encoding="utf-8") as lines:
        for number, text in enumerate(lines):
            if number % EVERY:
                continue
            line = json.loads(text)
            chosen = random.Random(number).sample(line["requests"], min(4, len(line["requests"])))
            requests = [request_from_json(_contract(request)) for request in chosen]
            phases = (Phase(0.0, 1000.0, 40.0, 40.0),)
            traffic = tuple(Traffic(str(n), request, phases) for n, request in enumerate(requests))
            scenario = Scenario("recorded", 1000.0, traffic, UPSTREAMS)
            fast, general = (_run(line, scenario, beaten_paths=beaten_paths) for beaten_paths in (True, False))
            assert fast == general, line["seed"]
            played += len(fast)
    assert played > 3000
