"""The README shows what the commands really print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from envoysim.cli.main import cli

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```console\n\$ envoysim (.*?)\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize(("words", "shown"), BLOCKS, ids=[b[0][:40] for b in BLOCKS])
def test_block(words: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that ends in an ellipsis shows the beginning only."""
    monkeypatch.chdir(ROOT)

    printed = CliRunner().invoke(cli, shlex.split(words.replace("\\\n", " ")), standalone_mode=False).output

    if shown.rstrip().endswith("…"):
        assert printed.startswith(shown.rstrip()[:-1].rstrip())
    else:
        assert printed == shown


def test_blocks_were_found() -> None:
    assert len(BLOCKS) >= 3


def test_python_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    monkeypatch.chdir(ROOT)

    exec(compile(code, "README.md", "exec"), {})
