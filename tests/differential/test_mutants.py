"""A rule broken on purpose is noticed by what the real Envoy was seen to do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .mutants import MUTANTS, ROOT


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_rule_is_noticed(name: str) -> None:
    command = [sys.executable, "-m", "tests.differential.mutants", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 1, done.stdout + done.stderr
