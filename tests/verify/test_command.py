"""``envoysim verify`` as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from envoysim.verify.ports import free_ports
from envoysim.verify.process import EnvoyFailed, run_envoy

from .running import FIXTURES, children, envoy_or_skip, is_running, start, verify

DUMP = str(FIXTURES[0])


def wait_for_children(process: subprocess.Popen[str]) -> list[int]:
    """The child processes of ``process`` once it has some; none when it ends without or takes over a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if found := children(process.pid):
            return found
        time.sleep(0.05)
    return []


def test_a_binary_that_is_not_there_is_named() -> None:
    done = verify(DUMP, "--generate", "5", "--envoy", "/nowhere/envoy")

    assert done.returncode == 2
    assert done.stderr.startswith("envoysim: no Envoy binary at `/nowhere/envoy`")


def test_another_binary_is_used_and_its_refusal_is_told(tmp_path: Path) -> None:
    other = tmp_path / "envoy"
    other.write_text("#!/bin/sh\necho '[0][critical][main] [x.cc:1] the other binary refuses' >&2\nexit 1\n")
    other.chmod(0o755)

    done = verify(DUMP, "--generate", "5", "--envoy", str(other))

    assert done.returncode == 2
    assert done.stderr.strip() == "envoysim: envoy refused the configuration: the other binary refuses"


def test_nothing_that_runs_is_told_with_reasons(tmp_path: Path) -> None:
    source = tmp_path / "bootstrap.json"
    pipe = {"name": "local", "address": {"pipe": {"path": "/run/local.sock"}}, "filter_chains": []}
    source.write_text(json.dumps({"static_resources": {"listeners": [pipe]}}))

    done = verify(str(source), "--generate", "5")

    assert done.returncode == 2
    assert "no listener of the dump can run here" in done.stderr
    assert "listener `local` left out: it does not listen on a TCP port" in done.stderr


@pytest.mark.envoy
def test_a_refused_configuration_names_the_reason() -> None:
    binary = envoy_or_skip()
    (port,) = free_ports(1)
    bad = {"static_resources": {"clusters": [{"name": "c", "type": "STATIC", "connect_timeout": "-1s"}]}}

    reason = r"refused the configuration: Invalid duration: Expected positive duration$"
    with pytest.raises(EnvoyFailed, match=reason), run_envoy(binary, bad, port):
        pass


@pytest.mark.envoy
@pytest.mark.slow
@pytest.mark.parametrize("source", FIXTURES, ids=lambda path: path.parent.name)
def test_the_fixtures_agree(source: Path) -> None:
    envoy_or_skip()

    done = verify(str(source), "--generate", "60", "-o", "json")

    found = json.loads(done.stdout)
    assert found["differences"] == []
    assert found["requests"] == found["agree"] > 0
    assert done.returncode == 0


@pytest.mark.envoy
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at /proc")
def test_ctrl_c_leaves_no_process_behind() -> None:
    envoy_or_skip()
    process = start(DUMP, "--generate", "5000")
    found = wait_for_children(process)
    time.sleep(0.5)

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert found, err
    assert not [pid for pid in found if is_running(pid)]
    assert process.returncode != 0


@pytest.mark.envoy
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at /proc")
def test_envoy_ends_with_a_killed_verify() -> None:
    envoy_or_skip()
    process = start(DUMP, "--generate", "5000")
    found = wait_for_children(process)

    os.kill(process.pid, signal.SIGKILL)
    _, err = process.communicate(timeout=20)
    time.sleep(0.3)

    assert found, err
    assert not [pid for pid in found if is_running(pid)]
