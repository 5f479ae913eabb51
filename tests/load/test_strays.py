"""Files as shells write them: other encodings, lines of other programs, several documents, other admin pages."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from envoysim.errors import SourceError
from envoysim.load import load
from envoysim.load.dump import Dump

SECTION = "type.googleapis.com/envoy.admin.v3.ClustersConfigDump"


def dump_of(name: str, **more: object) -> dict[str, object]:
    cluster = {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": name, **more}
    return {"configs": [{"@type": SECTION, "dynamic_active_clusters": [{"cluster": cluster}]}]}


PRETTY = json.dumps(dump_of("c"), indent=1)
COMPACT = json.dumps(dump_of("c"))
OTHER = json.dumps(dump_of("d"))
CHOSEN = 'Defaulted container "istio-proxy" out of: istio-proxy, app, istio-init (init)\n'
FAILED = "\ncommand terminated with exit code 1\n"

GOOD: list[tuple[str, bytes, list[str], list[str]]] = [
    ("byte order mark", b"\xef\xbb\xbf" + PRETTY.encode(), ["c"], []),
    ("utf-16 little", b"\xff\xfe" + PRETTY.encode("utf-16-le"), ["c"], []),
    ("utf-16 big", b"\xfe\xff" + PRETTY.encode("utf-16-be"), ["c"], []),
    ("carriage returns", PRETTY.replace("\n", "\r\n").encode(), ["c"], []),
    ("blank lines before", b"\r\n\n  " + PRETTY.encode(), ["c"], []),
    ("line before", (CHOSEN + PRETTY).encode(), ["c"], [CHOSEN.strip()]),
    ("line before, one line", (CHOSEN + COMPACT).encode(), ["c"], [CHOSEN.strip()]),
    ("line behind", (PRETTY + FAILED).encode(), ["c"], [FAILED.strip()]),
    ("lines around", (CHOSEN + COMPACT + FAILED).encode(), ["c"], [CHOSEN.strip(), FAILED.strip()]),
    ("line before, utf-16", b"\xff\xfe" + (CHOSEN + PRETTY).encode("utf-16-le"), ["c"], [CHOSEN.strip()]),
    ("a dump a line", f"{COMPACT}\n{OTHER}\n".encode(), ["c", "d"], []),
    ("one dump behind the other", f"{PRETTY}\n{OTHER}".encode(), ["c", "d"], []),
    ("dumps with lines between", f"{CHOSEN}{PRETTY}\n{CHOSEN}{OTHER}".encode(), ["c", "d"], [CHOSEN.strip()] * 2),
    ("wrapped in a list", f"[{COMPACT}]".encode(), ["c"], []),
    ("a list of dumps", f"[{COMPACT}, {OTHER}]".encode(), ["c", "d"], []),
    ("yaml of JSON documents", f"---\n{COMPACT}\n---\n{OTHER}\n".encode(), ["c", "d"], []),
    ("commented flow style", b"# mine\n{static_resources: {clusters: [{name: c}]}}\n", ["c"], []),
    ("yaml of istioctl", b"- connectTimeout: 10s\n  name: c\n  type: EDS\n", ["c"], []),
    (
        "yaml with anchors",
        b"base: &base {connect_timeout: 1s}\nstatic_resources:\n  clusters:\n  - {<<: *base, name: c}\n",
        ["c"],
        [],
    ),
]


def read(tmp_path: Path, data: bytes, suffix: str = ".json") -> Dump:
    path = tmp_path / f"dump{suffix}"
    path.write_bytes(data)
    return load(str(path))


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(("data", "clusters", "skipped"), [g[1:] for g in GOOD], ids=[g[0] for g in GOOD])
def test_read(tmp_path: Path, data: bytes, clusters: list[str], skipped: list[str], compressed: bool) -> None:
    dump = read(tmp_path, gzip.compress(data) if compressed else data)

    assert list(dump.clusters) == clusters
    for name in clusters:
        assert dump.clusters[name].message().name == name
    told = [note.text for note in dump.notes if "skipped around the JSON" in note.text]
    assert len(told) == len(skipped)
    assert all(f"`{line}`" in text for line, text in zip(skipped, told, strict=True))


def test_a_place_in_the_second_document(tmp_path: Path) -> None:
    dump = read(tmp_path, f"{COMPACT}\n{OTHER}\n".encode())

    assert dump.pointer(dump.clusters["d"].ref) == "/1/configs/0/dynamic_active_clusters/0/cluster"


def test_credentials_in_a_skipped_line_are_not_told(tmp_path: Path) -> None:
    dump = read(tmp_path, b"> Authorization: Bearer abcdefgh12345678\n" + PRETTY.encode())

    assert "abcdefgh" not in " ".join(note.text for note in dump.notes)
    assert "[redacted]" in dump.notes[0].text


BAD: list[tuple[str, bytes, str]] = [
    ("cut in a string", PRETTY.encode()[: PRETTY.index("Cluster") + 3], "not JSON: truncated at line 4 column"),
    ("cut behind a comma", PRETTY.encode()[: PRETTY.index(",") + 1], "not JSON: truncated at line 4 column"),
    ("cut behind a line", (CHOSEN + PRETTY).encode()[:-4], "not JSON: truncated at line 1"),
    ("the second is cut", f"{COMPACT}\n{OTHER[:-3]}".encode(), "not JSON: truncated at line 2"),
    ("a brace too many", f"{PRETTY}\n}}\n".encode(), "not JSON: extra data at line 16 column 1"),
    ("a wrong word", PRETTY.replace('"c"', "c").encode(), "not JSON: expecting value at line 9"),
    ("odd utf-16", b"\xff\xfe" + PRETTY.encode("utf-16-le")[:-1], "invalid UTF-16 at byte"),
    ("stats", b"cluster.a.upstream_cx_total: 1\ncluster.a.upstream_rq_total: 2\n", "this is `/stats`"),
    ("stats as JSON", b'{"stats": [{"name": "a", "value": 1}]}', "this is `/stats?format=json`"),
    ("server info", b'{"version": "1", "state": "LIVE", "command_line_options": {}}', "this is `/server_info`"),
    ("certificates", b'{"certificates": [{"ca_cert": []}]}', "this is `/certs`"),
    ("listener addresses", b"a::0.0.0.0:80\nb::0.0.0.0:81\n", "plain text"),
]


@pytest.mark.parametrize(("data", "message"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(SourceError) as error:
        read(tmp_path, data)

    assert message in f"{error.value} {error.value.help}"
    assert "\n" not in str(error.value)
