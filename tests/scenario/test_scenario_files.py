"""Bad scenario files: what is wrong, where, and what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from envoysim.errors import ScenarioError
from envoysim.load.dump import Dump
from envoysim.scenario.changes import check_upstreams
from envoysim.scenario.read import read_scenario
from envoysim.stages.proxy import Proxy

from .worlds import make_dump

HEAD = "duration: 10s\ntraffic:\n  - {url: 'http://web.test:8080/', rate: 5}\n"
BAD = {
    "empty": ("", ": the scenario is empty"),
    "not YAML": ("duration: [1s\ntraffic: x\n", ":2: not YAML: expected ',' or ']'"),
    "no mapping": ("- 1\n", ":1: the scenario must be a mapping, not a list"),
    "no traffic": ("duration: 1s\n", ":1: the scenario needs `traffic`"),
    "unknown key": (HEAD + "upstream: {}\n", ":4: unknown key `upstream` in the scenario; did you mean `upstreams`?"),
    "twice": (HEAD + "duration: 3s\n", ":4: key `duration` is there twice"),
    "no unit": ("duration: 20\n", ":1: `duration` needs a unit: 20"),
    "no duration": ("duration: soon\n", ":1: `duration`: `soon` is not a duration"),
    "zero duration": ("duration: 0\ntraffic: []\n", ":1: `duration` must be longer than 0"),
    "negative rate": (
        "duration: 1s\ntraffic:\n  - url: 'http://web.test:8080/'\n    rate: -4\n",
        ":4: `rate` must not be negative: -4",
    ),
    "rate as text": (HEAD.replace("5}", "fast}"), ":3: `rate` must be a number, not text"),
    "no rate": (HEAD.replace(", rate: 5", ""), ":3: stream `stream 1` needs `rate`, `phases` or `bursts`"),
    "arrivals": (
        HEAD.replace("rate: 5", "rate: 5, arrivals: poison"),
        ":3: unknown arrivals `poison`; did you mean `poisson`?",
    ),
    "overlapping phases": (
        "duration: 20s\ntraffic:\n  - url: 'http://web.test:8080/'\n    phases:\n"
        "      - {start: 0s, end: 8s, rate: 1}\n      - {start: 5s, end: 20s, rate: 2}\n",
        ":6: phases overlap: this one starts at 5 s, the one before it ends at 8 s",
    ),
    "phase after the end": (
        HEAD.replace("rate: 5", "phases: [{start: 30s, end: 40s, rate: 1}]"),
        ":3: the phase starts at 30 s, after the scenario's end at 10 s",
    ),
    "no listener": (
        "duration: 10s\ntraffic:\n  - url: http://web.test:8080/\n    listener: webb\n    rate: 1\n",
        ":4: unknown listener `webb`",
    ),
    "bad request": (
        "duration: 1s\ntraffic:\n  - rate: 1\n    request: {authority: web.test, paht: /}\n",
        ":4: unknown key `paht` in `request`; did you mean `path`?",
    ),
    "unknown cluster": (
        HEAD + "upstreams:\n  wep: {}\n",
        ":5: unknown cluster `wep` in `upstreams`; did you mean `web`?",
    ),
    "unknown endpoint": (
        HEAD + "upstreams:\n  web: {}\n  10.0.0.9:80: {}\n",
        ":6: unknown endpoint `10.0.0.9:80` in `upstreams`; did you mean `10.0.0.3:80`?",
    ),
    "upstream key": (
        HEAD + "upstreams:\n  web:\n    latncy: 5ms\n",
        ":6: unknown key `latncy` in upstream `web`; did you mean `latency`?",
    ),
    "distribution": (
        HEAD + "upstreams:\n  web:\n    latency: {lognorm: {median: 5ms}}\n",
        ":6: unknown distribution `lognorm`; did you mean `lognormal`?",
    ),
    "lognormal": (
        HEAD + "upstreams:\n  web: {latency: {lognormal: {median: 5ms}}}\n",
        ":5: `lognormal` needs `median` and either `p99` or `sigma`",
    ),
    "share": (
        HEAD + "upstreams:\n  web: {errors: {share: 5, status: 503}}\n",
        ":5: `share` of an error must not be above 1: 5",
    ),
    "shares": (
        HEAD + "upstreams:\n  web: {errors: [{share: 0.6, status: 503}, {share: 0.6, action: reset}]}\n",
        ":5: the shares of `errors` of upstream `web` add up to more than 1",
    ),
    "refused requests": (
        HEAD + "upstreams:\n  web: {errors: {share: 0.6, action: refuse}}\n",
        ":5: `refuse` is not drawn for each request",
    ),
    "state": (
        HEAD + "upstreams:\n  web: {changes: [{at: 1s, state: hangs}]}\n",
        ":5: unknown state `hangs`; did you mean `hang`?",
    ),
    "changes out of order": (
        HEAD
        + "upstreams:\n  web:\n    changes:\n      - {at: 3s, until: 6s, state: hang}\n      - {at: 5s, state: hang}\n",
        ":8: changes overlap or are out of order: 5 s is before 6 s",
    ),
    "change of nothing": (HEAD + "upstreams:\n  web: {changes: [{at: 1s}]}\n", ":5: a change changes nothing"),
    "change after the end": (
        HEAD + "upstreams:\n  web: {changes: [{at: 1m, state: hang}]}\n",
        ":5: the change comes after the scenario's end at 10 s",
    ),
}


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Dump:
    return make_dump(tmp_path_factory.mktemp("dump"))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_says_where_and_what(name: str, dump: Dump, tmp_path: Path) -> None:
    text, message = BAD[name]
    path = tmp_path / "scenario.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ScenarioError) as caught:
        check_upstreams(read_scenario(str(path), dump), Proxy(dump), str(path))

    assert str(caught.value).startswith(f"{path}{message}")


def test_a_missing_file(dump: Dump, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"none\.yaml: cannot read the scenario: No such file"):
        read_scenario(str(tmp_path / "none.yaml"), dump)


def test_bytes_that_are_no_text(dump: Dump, tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match="not UTF-8"):
        read_scenario(str(path), dump)


def test_a_file_that_uses_everything(dump: Dump, tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(
        """
name: everything
duration: 1m
seed: 3
patience: 5s
runtime: {upstream.use_retry: 50}
verdicts: {authz: deny}
traffic:
  - name: contract
    request: {connection: {listener: web}, method: POST, authority: web.test, path: /a, headers: [[x-a, "1"]], body: b}
    arrivals: steady
    phases:
      - {end: 10s, rate: 5}
      - {end: 20s, from: 5, to: 10}
      - {start: 30s, rate: 1}
    bursts: {at: 5s, requests: 10, over: 2s}
  - {name: curl, url: "http://web.test:8080/b?c=d", method: PUT, headers: {x-b: 2, Host: other.test}, rate: 1}
  - {url: "https://web.test:8080/", listener: web, protocol: HTTP/2, rate: 0.5, end: 30s}
upstreams:
  "*": &usual
    latency: {normal: {mean: 20ms, deviation: 5ms}}
  web:
    <<: *usual
    errors:
      - {share: 0.1, status: 503, latency: 1ms}
      - {share: 0.1, action: reset}
      - {share: 0.1, grpc_status: 14}
    capacity: {concurrency: 4, queue: 8, when_full: 429}
    changes:
      - {at: 1s, until: 2s, latency_factor: 3}
      - {at: 3s, capacity: null, errors: null}
      - {at: 4s, state: recover}
  "10.0.0.1:80": {latency: {uniform: {low: 1ms, high: 2ms}}, changes: {at: 1s, state: leave}}
""",
        encoding="utf-8",
    )

    scenario = read_scenario(str(path), dump)

    contract, curl, secure = scenario.traffic
    assert (scenario.name, scenario.duration_ms, scenario.seed, scenario.patience_ms) == ("everything", 60e3, 3, 5e3)
    assert [(p.start_ms, p.end_ms, p.rate, p.to_rate) for p in contract.phases] == [
        (0.0, 10e3, 5.0, 5.0),
        (10e3, 20e3, 5.0, 10.0),
        (30e3, 60e3, 1.0, 1.0),
    ]
    assert (contract.request.method, contract.request.body, contract.request.connection.listener) == (
        "POST",
        "b",
        "web",
    )
    assert (curl.request.authority, curl.request.path, curl.request.headers) == (
        "other.test",
        "/b?c=d",
        (("x-b", "2"),),
    )
    assert secure.request.connection.tls is not None
    assert secure.request.connection.protocol == "HTTP/2"
    web = scenario.upstreams["web"]
    assert [change.text for change in web.changes] == [
        "answers in 60 ms (deviation 15 ms)",
        "recovers",
        "fails 0% of its requests and serves any number at once",
        "recovers",
    ]
