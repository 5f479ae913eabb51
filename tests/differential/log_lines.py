"""Access log lines of both sides: the same formats, written by the real Envoy and by the simulation.

Values that neither a dump nor a request tells (times, ids, ports of sockets) are left out of the formats.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from envoysim.load import load
from envoysim.model.address import parse_address
from envoysim.model.behaviour import Behaviour, Upstream
from envoysim.model.world import State, World
from envoysim.simulate import simulate
from envoysim.stages.proxy import Proxy
from envoysim.verify.client import Client
from envoysim.verify.local_address import local_address
from envoysim.verify.ports import free_ports
from envoysim.verify.process import run_envoy
from envoysim.verify.upstreams import ScriptedUpstreams

from .build import HTTP2, TYPE, Bench, Json, Tls, downstream_tls, hcm, route
from .rules.listeners import tcp

WAIT_SECONDS = 2.0
FILE = TYPE + "envoy.extensions.access_loggers.file.v3.FileAccessLog"
METADATA: Json = {"filter_metadata": {"a": {"b": {"n": 1, "s": "x"}, "t": "text"}}}
ISTIO = """[X] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS%
 %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED%
 %BYTES_SENT% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW%
 %DOWNSTREAM_LOCAL_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%"""
_OPERATORS = """ACCESS_LOG_TYPE BYTES_RECEIVED BYTES_RETRANSMITTED BYTES_SENT CLUSTER_METADATA(a:b) CUSTOM_FLAGS
    CLUSTER_METADATA(a) COMMON_DURATION(DS_RX_BEG:DS_RX_END:ms) CONNECTION_TERMINATION_DETAILS
    DOWNSTREAM_DETECTED_CLOSE_TYPE DOWNSTREAM_DIRECT_LOCAL_ADDRESS DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID
    DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_DIRECT_LOCAL_PORT
    DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT DOWNSTREAM_LOCAL_ADDRESS DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT
    DOWNSTREAM_LOCAL_PORT DOWNSTREAM_PEER_SUBJECT DOWNSTREAM_PEER_URI_SAN DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT
    DOWNSTREAM_TRANSPORT_FAILURE_REASON DYNAMIC_METADATA(a:b) ENVIRONMENT(NOT_SET_ANYWHERE) FILTER_CHAIN_NAME
    FILTER_STATE(k) GRPC_STATUS GRPC_STATUS(SNAKE_STRING) GRPC_STATUS(NUMBER) GRPC_STATUS_NUMBER LISTENER_NAME
    LOCAL_REPLY_BODY METADATA(ROUTE:a:b:n) METADATA(LISTENER:a:t) METADATA(CLUSTER:a:b) METADATA(VIRTUAL_HOST:a:b)
    METADATA(UPSTREAM_HOST:a:b:s) METADATA(DYNAMIC:a:b) METADATA(LISTENER_FILTER_CHAIN:a:b) PACKETS_RETRANSMITTED PATH
    PATH(NQ:ORIG) PATH(WQ:PATH) PATH(WQ:ORIG_OR_PATH) PROTOCOL QUERY_PARAM(x) QUERY_PARAM(y) QUERY_PARAM(X) QUERY_PARAMS
    QUERY_PARAMS(ORIG) QUERY_PARAMS(DECODED) REQ(x-a) REQ(X-A?:path) REQ(:path):4 REQ(:scheme) REQ(:authority) REQ(host)
    REQ(x-dup) REQUESTED_SERVER_NAME REQUESTED_SERVER_NAME(SNI_FIRST:HOST) REQUESTED_SERVER_NAME(HOST_FIRST:ORIG)
    REQUEST_DURATION REQUEST_HEADER(x-a) REQUEST_HEADERS_BYTES RESP(x-up) RESP(:status) RESP(server) RESPONSE_CODE
    RESPONSE_CODE_DETAILS RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES) RESPONSE_FLAGS RESPONSE_FLAGS_LONG
    RESPONSE_HEADER(x-up) RESPONSE_TRAILER(grpc-status) RESPONSE_TRAILERS_BYTES ROUNDTRIP_DURATION ROUTE_NAME SPAN_ID
    TRACE_ID TRAILER(x-t) UPSTREAM_CLUSTER UPSTREAM_CLUSTER_RAW UPSTREAM_HOST UPSTREAM_HOSTS_ATTEMPTED
    UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT UPSTREAM_HOST_NAME UPSTREAM_HOST_NAMES_ATTEMPTED
    UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT UPSTREAM_HOST_NAME_WITHOUT_PORT UPSTREAM_METADATA(a:b)
    UPSTREAM_PEER_SUBJECT UPSTREAM_PROTOCOL UPSTREAM_REMOTE_ADDRESS UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID
    UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT UPSTREAM_REMOTE_PORT UPSTREAM_REQUEST_ATTEMPT_COUNT UPSTREAM_TLS_VERSION
    UPSTREAM_TRANSPORT_FAILURE_REASON VIRTUAL_CLUSTER_NAME"""
OPERATORS = _OPERATORS.split()
FORMATS: tuple[Json, ...] = (
    {"text_format_source": {"inline_string": ISTIO.replace("\n", "") + "\n"}},
    {"json_format": {name: f"%{name}%" for name in OPERATORS}},
    {"json_format": {name: f"<%{name}%>" for name in OPERATORS}},
    {"json_format": {"n": {"code": "%RESPONSE_CODE%", "no": "%REQ(x-none)%"}, "l": ["%REQ(x-none)%", 1, True, None]}},
    {
        "json_format": {"n": {"code": "%RESPONSE_CODE%", "no": "%REQ(x-none)%"}, "no": "%REQ(x-none)%", "null": None},
        "omit_empty_values": True,
    },
    {"text_format_source": {"inline_string": "[%REQ(x-none)%] %REQ(x-a):2% 100%% ü\n"}, "omit_empty_values": True},
)


def without_bytes(text: Json) -> Json:
    """The format without the bytes of a TCP connection, which are the client's and the upstream's own."""
    made: Json = json.loads(re.sub(r"%BYTES_(RECEIVED|SENT)%", "", json.dumps(text)))
    return made


TEXT: Sequence[tuple[str, str]] = (("x-a", "one"), ("x-dup", "1"), ("x-dup", "2"), ("user-agent", 'u"a\\b'))
GRPC: Sequence[tuple[str, str]] = (("content-type", "application/grpc"),)


@dataclass(frozen=True, slots=True)
class Lines:
    """What both sides wrote about one request."""

    request: str
    real: tuple[str, ...]
    simulated: tuple[str, ...]


def http(bench: Bench, loggers: list[Json]) -> None:
    """Requests that end in many ways."""
    bench.cluster("c0", metadata=METADATA, localities=[{"lb_endpoints": [_described(bench)]}])
    bench.cluster("c1", localities=[{"lb_endpoints": [bench.endpoint("c1", dead=True)]}])
    bench.cluster("c2", typed_extension_protocol_options=HTTP2, alt_stat_name="other")
    text = {"status": 200, "body": {"inline_string": "hello"}}
    routes: list[Json] = [
        route("nc", {"prefix": "/nc"}, "missing"),
        {"name": "d", "match": {"prefix": "/direct"}, "direct_response": text},
        {"name": "", "match": {"prefix": "/redirect"}, "redirect": {"https_redirect": True}},
        route("dead", {"prefix": "/dead"}, "c1"),
        route("retry", {"prefix": "/retry"}, action={"retry_policy": {"retry_on": "5xx", "num_retries": 2}}),
        route("late", {"prefix": "/late"}, action={"timeout": "0.1s"}),
        route("h2", {"prefix": "/h2"}, "c2"),
        route("new", {"prefix": "/new"}, action={"prefix_rewrite": "/n", "host_rewrite_literal": "other.com"}),
        {**route("all", {"prefix": "/a"}), "metadata": METADATA},
    ]
    table: Json = {"name": "rc", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]}
    manager = hcm(table, access_log=loggers, use_remote_address=True)
    place = bench.listener([{"name": "only", "filters": [manager]}], metadata=METADATA)
    secure = bench.listener([{"name": "tls", "filters": [manager], "transport_socket": downstream_tls("h2")}], "l1")
    answers = (Behaviour(headers=(("x-up", "u"),), body="hello"),)
    for path in ("/a?x=1&y=%20z&x=2", "/none", "/nc", "/direct", "/redirect?x", "/dead", "/h2", "/new?q=1", "a b"):
        bench.send(place, path=path, headers=TEXT, upstream=answers)
    bench.send(place, path="/a", method="POST", body="12345", upstream=(Behaviour(status=503, body="no"),))
    bench.send(place, path="/retry", upstream=(Behaviour(status=503, body=""), Behaviour(body="ok")))
    bench.send(place, path="/late", upstream=(Behaviour(action="hang"),))
    for protocol in ("HTTP/1.1", "HTTP/2"):
        bench.send(place, path="/a", protocol=protocol, headers=GRPC, upstream=(Behaviour(grpc_status=5),))
        bench.send(place, path="/nc", protocol=protocol, headers=GRPC)
        bench.send(place, path="/a", protocol=protocol, method="HEAD", upstream=answers)
    bench.send(place, path="/a", headers=GRPC, upstream=(Behaviour(action="close"),))
    bench.send(place, path="/a", protocol="HTTP/2", headers=TEXT, upstream=answers)
    bench.send(place, path="/a", authority=None)
    bench.send(place, path="/a", protocol="HTTP/1.0")
    bench.send(place, path="/a", upstream=(Behaviour(action="garbage"),))
    bench.send(place, path="/a", headers=(("x-forwarded-for", "1.2.3.4"),), upstream=answers)
    bench.send(secure, "l1", path="/a", protocol="HTTP/2", tls=Tls("Foo.com", ("h2",)), upstream=answers)


def connections(bench: Bench, loggers: list[Json]) -> None:
    """Connections that end in many ways."""
    bench.cluster("c0")
    dead = [{"lb_endpoints": [bench.endpoint("dead", dead=True)]}]
    bench.cluster("dead", localities=dead)
    bench.cluster("empty", endpoints=0)
    for cluster in ("c0", "dead", "empty", "none"):
        filters = [tcp(cluster, access_log=loggers, max_connect_attempts=2)]
        bench.send(bench.listener([{"name": "only", "filters": filters}], cluster), cluster)


def _described(bench: Bench) -> Json:
    made = bench.endpoint("c0")
    made["endpoint"]["hostname"] = "end.point:80"
    return {**made, "metadata": METADATA}


def compare(binary: Path, make: Callable[[Bench, list[Json]], None], formats: Sequence[Json]) -> Iterator[Lines]:
    """Play the requests on both sides; yield what each wrote of each."""
    bench = Bench(random.Random(0))
    make(bench, [_logger(text, f"{i}.log") for i, text in enumerate(formats)])
    case = bench.case(0, "log lines")
    (admin_port,) = free_ports(1)
    with (
        ScriptedUpstreams(case.endpoints) as upstreams,
        run_envoy(binary, case.bootstrap, admin_port) as envoy,
        Client() as client,
    ):
        proxy = Proxy(load([envoy.config_dump()]), local_address=local_address())
        refuses = Upstream(behaviours=(Behaviour(action="refuse"),))
        world, state = World(upstreams=dict.fromkeys(case.dead, refuses)), State()
        files = [_Tail(envoy.folder / f"{i}.log") for i in range(len(formats))]
        for request in case.requests:
            upstreams.script(request.upstream, request.upstream_by_endpoint)
            where = parse_address(request.connection.destination or "")
            client.send(request, where.ip, where.port)
            real = tuple(file.next_line() for file in files)
            outcome = simulate(proxy, request, world, state).outcome
            name = f"{request.connection.listener} {request.method} {request.path}"
            yield Lines(name, real, tuple(outcome.access_log))


def _logger(text: Json, path: str) -> Json:
    return {"name": "file", "typed_config": {"@type": FILE, "path": path, "log_format": text}}


class _Tail:
    """Reads a file line by line as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._taken = 0

    def next_line(self) -> str:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            data = self._path.read_bytes()[self._taken :] if self._path.exists() else b""
            if b"\n" in data:
                line = data[: data.index(b"\n")]
                self._taken += len(line) + 1
                return line.decode()
            time.sleep(0.005)
        return ""
