"""What the tests of ``verify`` share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from envoysim.errors import OptionError
from envoysim.verify.binary import find_envoy

ROOT = Path(__file__).parents[2]
FIXTURES = sorted(path for path in (ROOT / "fixtures").glob("*/config_dump.json"))
CORPUS = ROOT.parent / "shared" / "corpus"


def envoy_or_skip() -> Path:
    try:
        return find_envoy()
    except OptionError:
        pytest.skip("no Envoy binary")


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "envoysim", "verify", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    process = start(*arguments)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def children(pid: int) -> list[int]:
    """The child processes of ``pid`` (Linux)."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(word) for word in task.read_text().split()]
    return found


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
