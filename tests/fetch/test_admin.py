"""What an admin interface says is saved whole, without secrets, or not at all."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from envoysim.cli.main import cli
from envoysim.errors import EnvoysimError
from envoysim.load import load

CLUSTER = {"name": "a", "type": "STATIC", "transport_socket": {"typed_config": {"private_key": "SECRET-1"}}}
DUMP = {
    "configs": [
        {"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {"node": {"id": "n"}}},
        {
            "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
            "version_info": "7",
            "static_clusters": [{"cluster": CLUSTER}],
        },
    ]
}
HOST = {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 80}}, "weight": 3}
ANSWERS: dict[str, Any] = {
    "/config_dump?include_eds": DUMP,
    "/clusters?format=json": {"cluster_statuses": [{"name": "a", "host_statuses": [HOST]}]},
    "/server_info": {"state": "LIVE", "uptime_all_epochs": "3s", "command_line_options": {"config_yaml": "SECRET-2"}},
}


@contextmanager
def admin(answers: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Serve ``answers`` by path: JSON, bytes, or a status with a location."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer = answers.get(self.path, 404)
            if isinstance(answer, (int, tuple)):
                status, place = answer if isinstance(answer, tuple) else (answer, None)
                self.send_response(status)
                if place:
                    self.send_header("location", place)
                self.send_header("content-length", "0")
                self.end_headers()
                return
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body) + (10 if body.endswith(b"CUT") else 0)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def fetch(*arguments: str) -> tuple[int, str]:
    """Run the command; return what it returns and what it said."""
    try:
        result = CliRunner().invoke(cli, ["fetch", *arguments], catch_exceptions=False, standalone_mode=False)
    except EnvoysimError as error:
        return 2, str(error)
    return result.return_value, result.stderr


def test_one_file_has_everything_and_no_secret(tmp_path: Path) -> None:
    with admin(ANSWERS) as (address, _):
        assert fetch(address, "-o", str(tmp_path / "dump.json")) == (0, "")

    text = (tmp_path / "dump.json").read_text()
    assert "SECRET" not in text
    assert "uptime" not in text
    dump = load(tmp_path / "dump.json")
    assert list(dump.clusters) == ["a"]
    assert dump.host_statuses["a", "10.0.0.1:80"].weight == 3
    assert dump.fetched[0]["by"] == "admin"
    assert [p.name for p in tmp_path.iterdir()] == ["dump.json"]


def test_twice_is_the_same_but_for_the_time(tmp_path: Path) -> None:
    with admin(ANSWERS) as (address, _):
        for name in ("a", "b"):
            fetch(address, "-o", str(tmp_path / name))
    first, second = (json.loads((tmp_path / name).read_text()) for name in ("a", "b"))
    for saved in (first, second):
        del saved["envoysim_fetch"]["at"]
    assert first == second


def test_compressed(tmp_path: Path) -> None:
    with admin(ANSWERS) as (address, _):
        fetch(address, "-o", str(tmp_path / "dump.json.gz"))

    assert json.loads(gzip.decompress((tmp_path / "dump.json.gz").read_bytes()))["configs"]


BAD: list[tuple[str, Any, str]] = [
    ("html", b"<html>hello", "an HTML or XML page, not a dump"),
    ("garbage", b"\x00\x01{", "neither JSON nor YAML"),
    ("another service", {"hello": 1}, "not Envoy's answer: no `configs` in it"),
    ("not found", 404, "answered 404 to /config_dump?include_eds"),
    ("unauthorized", 401, "answered 401"),
    ("a redirect", (302, "http://192.0.2.1/x"), "a redirect to http://192.0.2.1/x, which is not followed"),
    ("cut off", b'{"configs": []} CUT', "broke off after"),
]


@pytest.mark.parametrize(("name", "answer", "message"), BAD, ids=[b[0] for b in BAD])
def test_what_is_no_dump_leaves_no_file(tmp_path: Path, name: str, answer: Any, message: str) -> None:
    (tmp_path / "dump.json").write_text("old")
    with admin({"/config_dump?include_eds": answer}) as (address, asked):
        code, said = fetch(address, "-o", str(tmp_path / "dump.json"))

    assert code == 2
    assert message in said
    assert "\n" not in said.strip()
    assert (tmp_path / "dump.json").read_text() == "old"
    assert len(asked) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["dump.json"]


def test_a_later_answer_that_fails_makes_it_partial(tmp_path: Path) -> None:
    with admin({**ANSWERS, "/clusters?format=json": 500}) as (address, _):
        code, said = fetch(address, "-o", str(tmp_path / "dump.json"))

    assert code == 2
    assert "is partial: /clusters?format=json: answered 500" in said
    assert (
        load(tmp_path / "dump.json").fetched[0]["partial"]
        == "/clusters?format=json: answered 500 to /clusters?format=json"
    )


def test_nobody_listens(tmp_path: Path) -> None:
    code, said = fetch("http://127.0.0.1:9", "-o", str(tmp_path / "dump.json"))

    assert (code, said) == (2, "http://127.0.0.1:9: cannot be reached: connection refused")


def test_no_proxy_of_the_environment_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with admin(ANSWERS) as (other, asked), admin(ANSWERS) as (address, _):
        monkeypatch.setenv("http_proxy", other)
        assert fetch(address, "-o", str(tmp_path / "dump.json"))[0] == 0
    assert asked == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with admin(ANSWERS) as (address, _):
        code, said = fetch(address, "-o", str(tmp_path / "nowhere" / "dump.json"))

    assert code == 2
    assert "cannot be written: no such file or directory" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what to ask"),
        (["127.0.0.1:15000"], "no address of an admin interface"),
        (["http://127.0.0.1:1", "--csds", "127.0.0.1:2"], "say what to ask"),
        (["http://127.0.0.1:1/config_dump"], "give the address without a path"),
        (["http://127.0.0.1:1", "--cert", "x"], "--cert and --key belong together"),
        (["http://127.0.0.1:1", "--token-file", "/nowhere"], "cannot read the token"),
    ],
)
def test_wrong_options(tmp_path: Path, arguments: list[str], message: str) -> None:
    code, said = fetch(*arguments, "-o", str(tmp_path / "dump.json"))

    assert code == 2
    assert message in said
