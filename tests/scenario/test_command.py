"""``envoysim simulate`` as a process: text, JSON, plots, interrupts, exit codes; and the examples as they are shown."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from .worlds import bootstrap

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CASES = sorted(path.relative_to(EXAMPLES) for path in EXAMPLES.glob("*/*.txt"))
LONG = {"retry_storm/bootstrap.txt": pytest.mark.slow}
"""Three seconds; its sister with a retry budget is as telling."""
SCENARIO = """
duration: 20s
traffic:
  - {name: web, url: "http://web.test:8080/", rate: 50}
upstreams:
  "10.0.0.2:80": {latency: 5ms, changes: [{at: 5s, until: 10s, errors: {share: 1, status: 503}}]}
"""


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "envoysim", "simulate", *(str(a) for a in arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, env=environment, cwd=EXAMPLES, check=False, timeout=120
    )


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    dump, scenario = tmp_path / "bootstrap.json", tmp_path / "scenario.yaml"
    dump.write_text(json.dumps(bootstrap(outlier_detection={"max_ejection_percent": 40})), encoding="utf-8")
    scenario.write_text(SCENARIO, encoding="utf-8")
    return dump, scenario


def test_text(files: tuple[Path, Path]) -> None:
    done = run(*files)

    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"scenario\.yaml: 20 s, [\d,]+ requests, 9\d\.\d\d % ok, seed 0", lines[0])
    assert "10.0.0.2:80 ejected: 5 consecutive 5xx; for 30 s; 1 of 3 hosts" in done.stdout
    head = next(line for line in lines if line.startswith("endpoints of web"))
    first = lines[lines.index(head) + 1]
    assert len(head) == len(first)  # aligned


def test_json(files: tuple[Path, Path]) -> None:
    found = json.loads(run(*files, "-o", "json", "--seed", "3").stdout)

    assert found["seed"] == 3
    (route,) = found["routes"]
    assert route["name"] == "web/all"
    assert route["requests"] == found["requests"] == sum(b["ended"] for b in found["bins"])
    assert route["success_rate"] == pytest.approx(route["ok"] / route["requests"], abs=1e-6)
    assert sum(e["share"] for e in found["clusters"][0]["endpoints"]) == pytest.approx(1.0)
    kinds = [moment["kind"] for moment in found["moments"]]
    assert kinds.index("scenario") < kinds.index("ejected")
    assert {"start_ms", "end_ms", "state"} == found["lanes"][0]["health"][0].keys()


class _Page(HTMLParser):
    """Notes what a page would load, and which elements are left open."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []
        self.count = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count += 1
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_plot_is_one_whole_page(files: tuple[Path, Path], tmp_path: Path) -> None:
    dump, scenario = files
    scenario.write_text("name: '<b>&</b>'\n" + SCENARIO, encoding="utf-8")
    path = tmp_path / "out.html"

    assert run(dump, scenario, "--plot", path).returncode == 0

    text = path.read_text(encoding="utf-8")
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert page.loads == []
    assert page.count > 100
    assert "<b>" not in text
    assert 'class="ejected"' in text
    assert "NaN" not in text


def test_an_interrupt_prints_what_is_known(files: tuple[Path, Path]) -> None:
    dump, scenario = files
    scenario.write_text(SCENARIO.replace("20s", "10h").replace("rate: 50", "rate: 1000"), encoding="utf-8")
    process = subprocess.Popen(
        command(dump, scenario), stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    time.sleep(3.0)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)

    assert process.returncode == 130
    assert re.match(r"scenario\.yaml: interrupted at [\d.]+ s of 36000 s, [\d,]+ requests", out)
    assert "endpoints of web" in out


BAD = {
    "negative rate": ("rate: 50", "rate: -50", "scenario.yaml:4: `rate` must not be negative: -50"),
    "unknown endpoint": ("10.0.0.2:80", "10.0.0.22:80", "unknown endpoint `10.0.0.22:80` in `upstreams`; did you mean"),
    "not YAML": ("traffic:", "traffic: [", "not YAML"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_scenarios_exit_2(name: str, files: tuple[Path, Path]) -> None:
    dump, scenario = files
    old, new, message = BAD[name]
    scenario.write_text(SCENARIO.replace(old, new), encoding="utf-8")

    done = run(dump, scenario)

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [("dump.json",), ("bad_host/bootstrap.yaml", "none.yaml")])
def test_missing_files_exit_2(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("shown", [pytest.param(c, marks=LONG.get(str(c), ()), id=str(c)) for c in CASES])
def test_examples_are_as_shown(shown: Path) -> None:
    done = run(shown.with_suffix(".yaml"), shown.parent / "scenario.yaml")

    assert done.stdout == (EXAMPLES / shown).read_text(encoding="utf-8")


def test_there_are_examples() -> None:
    assert len({path.parent for path in CASES}) == 3
