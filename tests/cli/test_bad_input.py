"""Bad input: one clear line on stderr, exit 2, nothing on stdout; never a traceback."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from envoysim.cli.main import main

ROOT = Path(__file__).parents[2]
EDGE = str(ROOT / "fixtures/edge/config_dump.json")
URL = "http://shop.example.com/"

BAD: list[tuple[str, list[str], str]] = [
    ("missing file", ["trace", "no/such.json", URL], "no/such.json: no such file"),
    ("empty file", ["trace", "{tmp}/empty.json", URL], "empty.json: empty"),
    ("truncated", ["inspect", "{tmp}/cut.json"], "not JSON: truncated"),
    ("cut behind noise", ["trace", "{tmp}/noise.json", URL], "noise.json: not JSON: truncated at line 2 column"),
    ("another page", ["trace", "{tmp}/stats.txt", URL], "help: this is `/stats`; save `/config_dump?include_eds`"),
    ("html", ["check", "{tmp}/page.html"], "an HTML or XML page, not a dump"),
    ("wrong type", ["trace", "{tmp}/type.json", URL], "`@type` is `foo.Bar`"),
    ("list of strings", ["trace", "{tmp}/strings.json", URL], "a list of text"),
    ("brackets", ["inspect", "{tmp}/brackets.json"], "nested too deeply"),
    ("utf-8", ["inspect", "{tmp}/utf8.json"], "invalid UTF-8"),
    ("no listener in the dump", ["trace", "{tmp}/clusters.json", URL], "has no listener"),
    ("unknown listener", ["trace", EDGE, URL, "--listener", "htp"], "did you mean `http`?"),
    ("malformed url", ["trace", EDGE, "http://shop:99999/"], "malformed URL"),
    ("no url", ["trace", EDGE], "SOURCE and URL are both needed"),
    ("malformed header", ["trace", EDGE, URL, "-H", "nonsense"], "malformed header `nonsense`"),
    ("meaningless option", ["trace", EDGE, URL, "-k"], "`-k` has no meaning in a simulation"),
    ("unknown option", ["trace", EDGE, URL, "--listner", "x"], "--listner"),
    ("bad upstream", ["trace", EDGE, URL, "--upstream", "*=rset"], "did you mean `reset`?"),
    ("bad setting", ["trace", EDGE, URL, "--set", "runtime"], "expected KEY=VALUE"),
    ("no requests file", ["run", EDGE, "--requests", "no/such.jsonl"], "cannot read requests"),
    ("bad upstreams file", ["run", EDGE, "--requests", "-", "--upstreams", "{tmp}/up.yaml"], "unknown key `stats`"),
    ("unknown rule", ["check", EDGE, "--select", "ESM999"], "unknown rule `ESM999`"),
    ("unknown rule name", ["explain", "unknown-clustr"], "did you mean `unknown-cluster`?"),
    ("foreign baseline", ["check", EDGE, "--baseline", "{tmp}/type.json"], "not a baseline"),
    ("nothing there", ["show", EDGE, "/configs/99"], "nothing stands at `/configs/99`"),
    ("no command", ["trase", EDGE], "trase"),
]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "empty.json").write_bytes(b"")
    (tmp_path / "cut.json").write_bytes(b'{"configs": [{"@type": "x"}')
    (tmp_path / "noise.json").write_text('Defaulted container "istio-proxy" out of: istio-proxy\n{"configs": [')
    (tmp_path / "stats.txt").write_text("cluster.a.upstream_rq_total: 1\ncluster.a.upstream_cx_total: 1\n")
    (tmp_path / "page.html").write_bytes(b"<html><body>502</body></html>")
    (tmp_path / "type.json").write_text(json.dumps({"@type": "type.googleapis.com/foo.Bar", "name": "x"}))
    (tmp_path / "strings.json").write_text('["a", "b"]')
    (tmp_path / "brackets.json").write_bytes(b"[" * 10_000_000)
    (tmp_path / "utf8.json").write_bytes(b'{"configs": ["\xff\xfe"]}')
    (tmp_path / "clusters.json").write_text(json.dumps([{"name": "c", "connect_timeout": "1s"}]))
    (tmp_path / "up.yaml").write_text("'*': [{stats: 200}]\n")
    return tmp_path


@pytest.mark.parametrize(("case", "words", "message"), BAD, ids=[b[0] for b in BAD])
def test_bad_input(
    case: str,
    words: list[str],
    message: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["envoysim", *(w.replace("{tmp}", str(files)) for w in words)])

    with pytest.raises(SystemExit) as end:
        main()

    printed = capsys.readouterr()
    assert end.value.code == 2
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


def test_a_bad_line_is_the_only_one_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"id": "a", "connection": {"listener": "http"}, "authority": "shop.example.com", "path": "/old"}
    lines = [json.dumps(good), "not json", json.dumps({"id": "c", "metod": "GET"}), json.dumps({**good, "id": "d"})]
    path = tmp_path / "r.jsonl"
    path.write_text("\n".join(lines))
    monkeypatch.setattr(sys, "argv", ["envoysim", "run", EDGE, "--requests", str(path)])

    with pytest.raises(SystemExit) as end:
        main()

    printed = capsys.readouterr()
    outcomes = [json.loads(line) for line in printed.out.splitlines()]
    assert end.value.code == 1
    assert [o["id"] for o in outcomes] == ["a", "2", "c", "d"]
    assert [o.get("status") for o in outcomes] == [302, None, None, 302]
    assert outcomes[1]["error"].startswith("line 2: not JSON")
    assert "did you mean `method`?" in outcomes[2]["error"]
