"""Servers that refuse, hang, break off or send rubbish: one line says what happened, what came is kept and marked."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from envoysim.load import load
from envoysim.schema import Msg, message_class, new

from .authority import Authority
from .control_plane import DISCOVERY, TYPES, URL, ControlPlane, packed
from .mesh import PATIENT, assignment, discovered, eds, listener, mesh, rds, routes
from .test_admin import admin, fetch

VARIANTS = pytest.mark.parametrize("variant", [[], ["--delta"]], ids=["sotw", "delta"])


def ads(address: str, folder: Path, *more: str) -> tuple[int, str, Path]:
    path = folder / "dump.json"
    arguments = ["--ads", address, "--node-id", "n", "--timeout", "1.5", "--settle", "0.2", *more, "-o", str(path)]
    code, said = fetch(*arguments)
    return code, said, path


def record(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())["envoysim_fetch"]
    return found


# --- nothing comes ----------------------------------------------------------------------------------------------------


@VARIANTS
def test_nobody_listens(tmp_path: Path, variant: list[str]) -> None:
    code, said, path = ads("127.0.0.1:9", tmp_path, *variant)

    assert (code, said) == (2, "127.0.0.1:9: connection refused")
    assert not path.exists()


@VARIANTS
def test_a_server_that_hangs(tmp_path: Path, variant: list[str]) -> None:
    def silent(requests: Iterator[bytes], context: Any) -> Iterable[bytes]:
        for _ in requests:
            pass
        return []

    with ControlPlane(script=silent) as plane:
        started = time.monotonic()
        code, said, path = ads(plane.address, tmp_path, *variant)

    assert (code, said) == (2, f"{plane.address}: did not answer within 1.5 s")
    assert time.monotonic() - started < 4
    assert not path.exists()


def test_garbage(tmp_path: Path) -> None:
    with ControlPlane(script=lambda requests, context: [b"\xff\xff\xff\xff"]) as plane:
        code, said, path = ads(plane.address, tmp_path)

    assert (code, said) == (2, f"{plane.address}: what it sent is no DiscoveryResponse")
    assert not path.exists()


def test_an_http_server(tmp_path: Path) -> None:
    with admin({}) as (address, _):
        code, said, path = ads(address.removeprefix("http://"), tmp_path)

    assert code == 2
    assert said.startswith(address.removeprefix("http://"))
    assert "\n" not in said
    assert not path.exists()


def test_another_grpc_service(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        code, said, _ = ads(f"127.0.0.1:{port}", tmp_path)
    finally:
        server.stop(0)

    assert code == 2
    assert "unimplemented" in said


# --- who asks ---------------------------------------------------------------------------------------------------------


def test_tls_with_client_certificate_and_token(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "ours"), Authority(tmp_path / "other")
    (tmp_path / "token").write_text("SECRET\n")
    certificate, key = authority.issue("server")
    pair = (Path(key).read_bytes(), Path(certificate).read_bytes())
    credentials = grpc.ssl_server_credentials([pair], Path(authority.ca).read_bytes(), require_client_auth=True)
    mine, stranger = authority.issue("me"), other.issue("stranger")
    token = ["--token-file", str(tmp_path / "token")]

    with ControlPlane(credentials=credentials, token="SECRET") as plane:
        plane.put("1", **mesh())
        good = ["--ca", authority.ca, "--cert", mine[0], "--key", mine[1]]
        code, said, path = ads(plane.address, tmp_path, *good, *token)
        assert code == 0, said
        assert "plaintext" not in said
        assert len(load(path).clusters) == 4
        path.unlink()

        refused = {
            "TLS failed: its certificate is not accepted": ["--ca", other.ca, *token],
            "TLS failed: its certificate is for another name": [*good, *token, "--server-name", "elsewhere.test"],
            "unauthenticated: authentication failure": good,
        }
        for words, arguments in refused.items():
            code, said, path = ads(plane.address, tmp_path, *arguments)
            assert (code, words in said, "SECRET" in said) == (2, True, False), said
            assert not path.exists()
        for arguments in (["--ca", authority.ca], ["--ca", authority.ca, "--cert", stranger[0], "--key", stranger[1]]):
            code, said, path = ads(plane.address, tmp_path, *arguments, *token)
            assert code == 2
            assert not path.exists()
        code, said, path = ads(plane.address, tmp_path)  # plaintext to a server that speaks TLS
        assert code == 2
        assert said.endswith("it closed the connection")
        assert not path.exists()


def test_a_token_in_a_header_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("SECRET")
    with ControlPlane() as plane:
        plane.put("1", **mesh())
        more = ["--token-file", str(tmp_path / "token"), "--token-header", "X-Other-Token"]
        code, said, path = ads(plane.address, tmp_path, *more)

    assert code == 0
    assert ("x-other-token", "SECRET") in plane.metadata[0].items()
    assert "the token with it" in said
    assert "SECRET" not in said + path.read_text()


def test_tls_to_a_server_that_does_not_speak_it(tmp_path: Path) -> None:
    with ControlPlane() as plane:
        code, said, _ = ads(plane.address, tmp_path, "--tls")

    assert (code, said) == (2, f"{plane.address}: TLS failed: it does not speak TLS")


def test_plaintext_is_said_aloud(tmp_path: Path) -> None:
    with ControlPlane() as plane:
        plane.put("1", **mesh())
        code, said, path = ads(plane.address, tmp_path)

    assert code == 0
    assert f"plaintext to {plane.address}" in said
    assert "4 clusters" in said
    assert record(path)["resources"]["clusters"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ads", "127.0.0.1:1"], "--ads needs --node-id"),
        (["--ads", "http://127.0.0.1:1", "--node-id", "n"], "is no HOST:PORT"),
        (["--ads", "127.0.0.1", "--node-id", "n"], "is no HOST:PORT"),
        (["--ads", "dns://8.8.8.8/name:1", "--node-id", "n"], "is no HOST:PORT"),
        (["--ads", "127.0.0.1:1", "--node-id", "n", "--ca", "/nowhere"], "cannot read `/nowhere`"),
        (["--ads", "127.0.0.1:1", "--node-id", "n", "--node-metadata", "/nowhere"], "cannot read the node's metadata"),
    ],
)
def test_wrong_options(tmp_path: Path, arguments: list[str], message: str) -> None:
    code, said = fetch(*arguments, "-o", str(tmp_path / "dump.json"))

    assert code == 2
    assert message in said


def test_without_grpcio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)

    code, said, _ = ads("127.0.0.1:9", tmp_path)

    assert (code, said) == (2, "grpcio is not installed")


# --- something comes --------------------------------------------------------------------------------------------------


def response(kind: str, *resources: Msg, version: str = "1") -> bytes:
    made = new(DISCOVERY + "DiscoveryResponse")
    made.type_url, made.version_info, made.nonce = URL + TYPES[kind], version, "1"
    made.resources.extend(resources)
    data: bytes = made.SerializeToString()
    return data


def test_a_server_that_breaks_off(tmp_path: Path) -> None:
    def script(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        yield response("clusters", packed("clusters", eds("a")))
        context.abort(grpc.StatusCode.UNAVAILABLE, "going away")

    with ControlPlane(script=script) as plane:
        code, said, path = ads(plane.address, tmp_path)

    assert code == 2
    assert f"{path} is partial: {plane.address}: unavailable: going away" in said
    assert list(load(path).clusters) == ["a"]
    assert plane.streams > 1  # it was tried again


@VARIANTS
@pytest.mark.parametrize("after", [1, 2, 4])
def test_a_server_that_comes_back(tmp_path: Path, variant: list[str], after: int) -> None:
    """What is held survives the stream, and is not sent again where delta tells the new one what that is."""
    with ControlPlane(breaks_after=after) as plane:
        plane.put("1", **mesh())
        code, said, path = ads(plane.address, tmp_path, *variant, "--timeout", "5")

    assert code == 0, said
    assert plane.streams == 2
    assert record(path)["missing"] == []
    assert record(path)["resources"] == {kind: len(named) for kind, named in mesh().items()}
    if variant:
        assert plane.brought["clusters"] == 4  # once each


def test_no_answer_about_listeners(tmp_path: Path) -> None:
    def script(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        yield response("clusters", packed("clusters", {"name": "a", "type": "STATIC"}))
        for _ in requests:
            pass

    with ControlPlane(script=script) as plane:
        code, said, path = ads(plane.address, tmp_path)

    assert code == 2
    assert "is partial: no answer to the request for listeners within 1.5 s" in said
    assert list(load(path).clusters) == ["a"]


@VARIANTS
def test_a_resource_that_does_not_decode(tmp_path: Path, variant: list[str]) -> None:
    inner = packed("listeners", listener("broken-inside", 1, **rds("main")))
    message = message_class(TYPES["listeners"]).FromString(inner.value)
    message.filter_chains[0].filters[0].typed_config.value = b"\xff\xff\xff"
    parts = mesh()
    parts["clusters"]["broken"] = b"\xff\xff\xff"
    parts["listeners"]["broken-inside"] = message.SerializeToString()
    parts["routes"]["main"] = b"\x0a\xff"
    with ControlPlane() as plane:
        plane.put("1", **parts)
        code, said, path = ads(plane.address, tmp_path, *variant)

    assert code == 2
    assert "resources cannot be used" in said
    assert {nack.kind for nack in plane.nacks} == {"clusters", "listeners", "routes"}
    dump = load(path)
    assert len(dump.clusters) == 4
    rejected = {(resource.kind, resource.name) for resource in dump.all_resources if resource.state == "error"}
    assert ("listener", "broken-inside") in rejected
    assert {kind for kind, _ in rejected} == {"cluster", "listener", "route_configuration"}


@VARIANTS
def test_another_kind_than_asked_for(tmp_path: Path, variant: list[str]) -> None:
    parts = mesh()
    with ControlPlane() as plane:
        plane.put("1", **parts)
        plane._resources["clusters"]["odd"] = ("1", packed("routes", routes("odd", "a")))
        code, said, path = ads(plane.address, tmp_path, *variant)

    assert code == 2
    assert f"a `{TYPES['routes']}` where a `{TYPES['clusters']}` was asked for" in said
    assert "odd" not in load(path).clusters


@VARIANTS
@pytest.mark.parametrize("tells", [False, True], ids=["silent", "told"])
def test_what_never_comes_is_listed(tmp_path: Path, variant: list[str], tells: bool) -> None:
    parts = mesh()
    del parts["routes"]["tenant-a"], parts["endpoints"]["ratings"]
    parts["listeners"]["waits"] = listener("waits", 10009, discovered("nowhere", PATIENT), **rds("main"))
    with ControlPlane(tells_absent=tells) as plane:
        plane.put("1", **parts)
        started = time.monotonic()
        code, said, path = ads(plane.address, tmp_path, *variant)
        took = time.monotonic() - started

    assert code == 0
    assert "endpoint `ratings` never came" in said
    found = {(item["kind"], item["name"]): item for item in record(path)["missing"]}
    assert found.keys() == {
        ("endpoint", "ratings"),
        ("route configuration", "tenant-a"),
        ("extension config", "nowhere"),
    }
    assert found["route configuration", "tenant-a"]["wanted_by"] == ["scoped route `a`"]
    if tells and variant:
        assert found["endpoint", "ratings"]["reason"] == "the control plane says that it does not exist"
        assert took < 1.4  # nothing to wait for
    dump = load(path)
    assert next(r.state for r in dump.all_resources if r.name == "waits") == "warming"
    assert "waits" not in {resource.name for resource in dump.listeners}


def test_what_comes_from_elsewhere_is_not_asked(tmp_path: Path) -> None:
    service = {"grpc_services": [{"envoy_grpc": {"cluster_name": "sds-grpc"}}], "api_type": "GRPC"}
    secret = {"name": "default", "sds_config": {"api_config_source": service, "resource_api_version": "V3"}}
    tls = {
        "@type": URL + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {"tls_certificate_sds_secret_configs": [secret]},
    }
    cluster = eds("a", transport_socket={"name": "tls", "typed_config": tls})
    with ControlPlane() as plane:
        plane.put("1", clusters={"a": cluster}, endpoints={"a": assignment("a", "10.0.0.1")})
        _, _, path = ads(plane.address, tmp_path)

    assert record(path)["not_asked"] == [
        {"kind": "secret", "name": "default", "reason": "it comes from the gRPC service `sds-grpc`"}
    ]
    assert not [names for kind, names in plane.asked if kind == "secrets"]


@VARIANTS
def test_secrets_that_come_are_redacted(tmp_path: Path, variant: list[str]) -> None:
    secret = {"name": "cert", "sds_config": {"ads": {}, "resource_api_version": "V3"}}
    tls = {
        "@type": URL + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {"tls_certificate_sds_secret_configs": [secret]},
    }
    pair = {"certificate_chain": {"inline_string": "PUBLIC"}, "private_key": {"inline_string": "SECRET"}}
    with ControlPlane() as plane:
        plane.put(
            "1",
            clusters={"a": eds("a", transport_socket={"name": "tls", "typed_config": tls})},
            endpoints={"a": assignment("a", "10.0.0.1")},
            secrets={"cert": {"name": "cert", "tls_certificate": pair}},
        )
        _, said, path = ads(plane.address, tmp_path, *variant)

    assert "SECRET" not in path.read_text() + said
    assert "PUBLIC" in path.read_text()
    assert load(path).secrets["cert"].version == "1"


@VARIANTS
def test_the_node_is_the_one_given(tmp_path: Path, variant: list[str]) -> None:
    (tmp_path / "meta.yaml").write_text("ISTIO_VERSION: 1.27.0\nLABELS: {app: reviews}\n")
    more = ["--node-metadata", str(tmp_path / "meta.yaml"), "--node-cluster", "c", "--node-locality", "west/a"]
    with ControlPlane() as plane:
        plane.put("1", **mesh())
        ads(plane.address, tmp_path, *variant, *more)

    (node,) = {node.SerializeToString(deterministic=True): node for node in plane.nodes}.values()
    assert (node.id, node.cluster, node.locality.region, node.locality.zone) == ("n", "c", "west", "a")
    assert node.metadata["LABELS"]["app"] == "reviews"
    assert node.user_agent_name == "envoy"
    assert len(plane.nodes) == 1  # the first request of a stream is enough


@VARIANTS
def test_slow_resources_are_waited_for(tmp_path: Path, variant: list[str]) -> None:
    parts = mesh()
    late = {"routes": parts.pop("routes"), "endpoints": parts.pop("endpoints")}
    with ControlPlane() as plane:
        plane.put("1", **parts)
        timer = threading.Timer(0.6, lambda: plane.put("2", **late))
        timer.start()
        code, said, path = ads(plane.address, tmp_path, *variant, "--timeout", "5")
        timer.join()

    assert code == 0, said
    assert record(path)["missing"] == []
    assert len(load(path).route_configurations) == 4


@VARIANTS
def test_twice_is_the_same_but_for_the_time(tmp_path: Path, variant: list[str]) -> None:
    """In whatever order the control plane sends."""
    texts = []
    for turn in (1, -1):
        parts = {kind: dict(list(named.items())[::turn]) for kind, named in mesh().items()}
        with ControlPlane() as plane:
            plane.put("1", **parts)
            _, _, path = ads(plane.address, tmp_path, *variant)
        at, address = record(path)["at"], plane.address
        texts.append(path.read_text().replace(at, "").replace(address, ""))

    assert texts[0] == texts[1]


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from envoysim.cli.fetch import _Line

    line = _Line()
    line.show("clusters 1")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    line.show("clusters 1, endpoints 0/1")
    line.show("clusters 1")
    line.clear()
    assert capsys.readouterr().err.startswith("\rclusters 1, endpoints 0/1\rclusters 1")
