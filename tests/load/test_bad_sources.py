"""A source that cannot be used is refused in one line that says where and why."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from envoysim.errors import SourceError
from envoysim.load import load

BAD: list[tuple[str, bytes, str]] = [
    ("empty", b"", "empty"),
    ("blank", b" \n ", "empty"),
    ("truncated", b'{"configs": [{"@type": "x"}', "not JSON: truncated at line 1"),
    ("html", b"<!DOCTYPE html><html>503</html>", "an HTML or XML page, not a dump"),
    ("strings", b'["a", "b"]', "#/0: not an Envoy configuration: a list of text"),
    ("brackets", b"[" * 10_000_000, "nested too deeply"),
    ("utf8", b'{"configs": ["\xff\xfe"]}', "invalid UTF-8 at byte 14"),
    ("scalar", b"just words", "plain text"),
    ("other", b'{"foo": 1, "bar": 2}', "an object with the keys `foo`, `bar`"),
    ("type", b'{"@type": "type.googleapis.com/foo.Bar", "name": "x"}', "`@type` is `foo.Bar`"),
    ("section", b'{"configs": ["x"]}', "#/configs/0: not a section of a config_dump"),
    ("yaml", b"a: [1", "neither JSON nor YAML"),
    ("gzip", b"\x1f\x8bbroken", "broken compression"),
]


@pytest.mark.parametrize(("name", "data", "message"), BAD, ids=[b[0] for b in BAD])
def test_refused(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    path = tmp_path / f"{name}.json"
    path.write_bytes(data)

    with pytest.raises(SourceError) as error:
        load(str(path))

    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "dump.json").write_text("{}")

    with pytest.raises(SourceError, match="no such file") as error:
        load(str(tmp_path / "dmp.json"))

    assert error.value.help == f"did you mean `{tmp_path / 'dump.json'}`?"


def test_nobody_listens_at_the_admin_address() -> None:
    with pytest.raises(SourceError, match="cannot be reached"):
        load("http://127.0.0.1:9")


def test_wrong_kind_of_value_has_its_place() -> None:
    dump = load({"name": "c", "connect_timeout": "1s", "lb_subset_config": {"locality_weight_aware": "maybe"}})

    with pytest.raises(SourceError, match="/lb_subset_config/locality_weight_aware: expected true or false, not text"):
        dump.clusters["c"].message()


def test_compressed_and_plain_are_the_same(tmp_path: Path) -> None:
    text = b'{"name": "c", "connect_timeout": "1s"}'
    (tmp_path / "a.json").write_bytes(text)
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(text))

    a, b = load(str(tmp_path / "a.json")), load(str(tmp_path / "b.json.gz"))

    assert a.clusters["c"].message() == b.clusters["c"].message()
