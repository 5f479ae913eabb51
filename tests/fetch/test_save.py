"""A file is there whole or not at all."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from envoysim.fetch.save import Fetched, save


def items(number: int, *, fails: bool = False) -> Iterator[dict[str, object]]:
    for index in range(number):
        yield {"name": f"n{index}", "password": "SECRET"}
    if fails:
        raise KeyboardInterrupt


def test_one_resource_a_line(tmp_path: Path) -> None:
    document = {"configs": [{"@type": "x", "version_info": "1", "listed": items(3), "empty": items(0)}], "other": {}}

    save(Fetched(document, {"by": "test"}), str(tmp_path / "dump.json"))

    text = (tmp_path / "dump.json").read_text()
    saved = json.loads(text)
    assert [item["name"] for item in saved["configs"][0]["listed"]] == ["n0", "n1", "n2"]
    assert saved["configs"][0]["empty"] == []
    assert saved["envoysim_fetch"] == {"by": "test"}
    assert "SECRET" not in text
    assert text.count('{"name": "n') == 3


def test_what_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_text("old")

    with pytest.raises(KeyboardInterrupt):
        save(Fetched({"configs": [{"listed": items(3, fails=True)}]}, {}), str(path))

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)

    save(Fetched({"configs": [{"listed": items(1)}]}, {}), "-")

    assert json.loads(out.getvalue())["configs"][0]["listed"][0]["password"] == "[redacted]"
