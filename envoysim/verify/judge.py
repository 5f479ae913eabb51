"""Play requests through a real Envoy and write down what it did, in the contract's words."""

from __future__ import annotations

import json
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..lazy_dataclass import dataclass
from ..model.address import parse_address
from ..model.behaviour import Upstream
from ..model.request import Request
from .client import Answer, Client
from .ports import free_ports
from .process import run_envoy
from .upstreams import ScriptedUpstreams, Sighting

Json = dict[str, Any]
LOG_FIELDS: Json = {
    "code": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "route": "%ROUTE_NAME%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "host": "%UPSTREAM_HOST%",
    "virtual_cluster": "%VIRTUAL_CLUSTER_NAME%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "duration": "%DURATION%",
    "filter_chain": "%FILTER_CHAIN_NAME%",
    "peer": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
    "termination": "%CONNECTION_TERMINATION_DETAILS%",
}
"""What the added access loggers write: the values that are compared."""

FLUSH_SECONDS = 0.05
"""Longer than it takes Envoy to flush every log (10 ms, see process.py)."""
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
TCP_PROXY = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


@dataclass(frozen=True, slots=True)
class Observed:
    """What the real Envoy did with one request; ``log`` is ``None`` when no logger wrote."""

    request: Request
    answer: Answer
    sightings: tuple[Sighting, ...]
    log: Json | None
    log_kind: str = ""
    """``http``, ``tcp`` or ``connection``: which logger wrote."""
    at_ms: float = 0.0
    """When it was sent, from the first one on."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The real Envoy's own dump and what it did with each request."""

    config_dump: Json
    observed: tuple[Observed, ...]


def judge(
    binary: Path,
    bootstrap: Json,
    requests: Sequence[Request],
    endpoints: Sequence[str],
    standing: Mapping[str, Upstream] | None = None,
    tls: Mapping[str, Any] | None = None,
    aside: Container[str] = (),
) -> Judgement:
    """Run Envoy with ``bootstrap`` and play ``requests`` one after another, on connections as their ``reuse`` says.

    Endpoints ``aside`` (mirrors', services' that filters ask) take no part in a request's script.
    Listeners and endpoints must be on loopback; every request's ``connection.destination`` says where to connect.
    Access loggers are added to a copy of the bootstrap. Raises EnvoyFailed when Envoy refuses the configuration.
    """
    (admin_port,) = free_ports(1)
    with ScriptedUpstreams(endpoints, standing, tls, aside) as upstreams:
        instrumented = instrument(bootstrap)
        with run_envoy(binary, instrumented, admin_port) as envoy:
            dump = envoy.config_dump()
            logs = _Logs(envoy.folder)
            start = time.monotonic()
            with Client() as client:
                observed = tuple(_play(request, client, upstreams, logs, start) for request in requests)
    return Judgement(restored(dump, instrumented), observed)


def instrument(bootstrap: Json) -> Json:
    """Return a copy of ``bootstrap`` whose listeners, connection managers and TCP proxies log ``LOG_FIELDS``."""
    copy: Json = json.loads(json.dumps(bootstrap))
    for listener in copy.get("static_resources", {}).get("listeners", []):
        listener.setdefault("access_log", []).append(_logger("connection"))
        chains = [*listener.get("filter_chains", []), listener.get("default_filter_chain") or {}]
        for filter_ in (f for chain in chains for f in chain.get("filters", [])):
            config = filter_.get("typed_config", {})
            if config.get("@type") == HCM:
                config.setdefault("access_log", []).append(_logger("http"))
            elif config.get("@type") == TCP_PROXY:
                config.setdefault("access_log", []).append(_logger("tcp"))
    return copy


REDACTED = ("[redacted]", "W3JlZGFjdGVkXQ==")


def restored(dump: Json, bootstrap: Json) -> Json:
    """Put secrets back, which Envoy's dump does not show."""
    sources = {
        (kind, entry.get("name")): entry
        for kind in ("listener", "cluster")
        for entry in bootstrap.get("static_resources", {}).get(f"{kind}s", [])
    }
    for section in dump.get("configs", []):
        for kind in ("listener", "cluster"):
            for entry in section.get(f"static_{kind}s", []):
                shown = entry.get(kind, {})
                entry[kind] = _put_back(shown, sources.get((kind, shown.get("name"))))
    return dump


def _put_back(shown: Any, source: Any) -> Any:
    if isinstance(shown, dict) and isinstance(source, dict):
        return {key: _put_back(value, source.get(key)) for key, value in shown.items()}
    if isinstance(shown, list) and isinstance(source, list) and len(shown) == len(source):
        return [_put_back(value, other) for value, other in zip(shown, source, strict=True)]
    return source if shown in REDACTED and source is not None else shown


def mirror_clusters(value: Any) -> set[str]:
    """Return the clusters that mirror policies anywhere in ``value`` name."""
    if isinstance(value, list):
        return set().union(*(mirror_clusters(item) for item in value))
    if not isinstance(value, dict):
        return set()
    own = {policy.get("cluster", "") for policy in value.get("request_mirror_policies", [])}
    return own.union(*(mirror_clusters(item) for item in value.values()))


def _logger(kind: str) -> Json:
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": f"{kind}.log",
            "log_format": {"json_format": LOG_FIELDS},
        },
    }


class _Logs:
    """Reads the log files as they grow."""

    KINDS = ("http", "tcp", "connection")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = dict.fromkeys(self.KINDS, 0)

    def _new_lines(self, kind: str) -> Iterator[Json]:
        path = self._folder / f"{kind}.log"
        if not path.exists():
            return
        with open(path, "rb") as file:
            file.seek(self._read[kind])
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read[kind] += len(whole)
        for line in whole.splitlines():
            yield json.loads(line)

    def entry_of(self, port: int, seconds: float) -> tuple[Json | None, str]:
        """Wait for the entry of the client at ``port``: the last HTTP or TCP one, else the listener's."""
        deadline = time.monotonic() + seconds
        connection: Json | None = None
        grace = 0.0
        while True:
            for kind in self.KINDS:
                lines = self._lines_of(kind, port)
                if kind == "connection":
                    connection = lines[-1] if lines else connection
                elif lines:
                    time.sleep(0.012)  # hops of internal redirects write lines of their own
                    lines += self._lines_of(kind, port)
                    while all(map(_is_hop, lines)) and time.monotonic() < deadline:
                        time.sleep(0.004)
                        lines += self._lines_of(kind, port)
                    return [line for line in lines if not _is_hop(line) or all(map(_is_hop, lines))][-1], kind
            if connection is not None:
                # The listener's line may be flushed before the stream's: only its absence for a while is an answer.
                grace = grace or time.monotonic() + FLUSH_SECONDS
                if time.monotonic() > grace:
                    return connection, "connection"
            elif time.monotonic() > deadline:
                return None, ""
            time.sleep(0.004)

    def _lines_of(self, kind: str, port: int) -> list[Json]:
        return [entry for entry in self._new_lines(kind) if str(entry.get("peer")).endswith(f":{port}")]


def _is_hop(line: Json) -> bool:
    """Whether a line is that of a request an internal redirect replaced; it may come before or after the last one."""
    return line.get("details") == "internal_redirect"


def _play(request: Request, client: Client, upstreams: ScriptedUpstreams, logs: _Logs, start: float) -> Observed:
    upstreams.script(request.upstream, request.upstream_by_endpoint)
    destination = parse_address(request.connection.destination or "")
    at_ms = (time.monotonic() - start) * 1000
    answer = client.send(request, destination.ip, destination.port)
    entry, kind = logs.entry_of(answer.port, 0.6) if answer.port else (None, "")
    if request.pause_ms:
        time.sleep(request.pause_ms / 1000)
    return Observed(request, answer, tuple(upstreams.sightings), entry, kind, at_ms)
