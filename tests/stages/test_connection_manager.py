"""The connection manager end to end: trust, paths, local replies, upgrades, access logs, as Envoy 1.40 answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from envoysim.load import load
from envoysim.model.outcome import Outcome
from envoysim.model.request import Connection, Request
from envoysim.model.world import State, World
from envoysim.simulate import simulate
from envoysim.stages.proxy import Proxy

Json = dict[str, Any]
Headers = list[tuple[str, str]]
EXTENSION = "type.googleapis.com/envoy.extensions."
HCM = EXTENSION + "filters.network.http_connection_manager.v3.HttpConnectionManager"
XFF, CUSTOM = (
    EXTENSION + f"http.original_ip_detection.{kind}"
    for kind in ("xff.v3.XffConfig", "custom_header.v3.CustomHeaderConfig")
)
ROUTES: Json = {
    "name": "rc",
    "internal_only_headers": ["x-only"],
    "virtual_hosts": [
        {
            "name": "v",
            "domains": ["*"],
            "routes": [
                {"name": "gone", "match": {"prefix": "/gone"}, "route": {"cluster": "gone"}},
                {
                    "name": "direct",
                    "match": {"prefix": "/direct"},
                    "direct_response": {"status": 200, "body": {"inline_string": "ok"}},
                },
                {"name": "moved", "match": {"prefix": "/moved"}, "redirect": {"path_redirect": "/new"}},
                {"name": "tunnel", "match": {"connect_matcher": {}}, "route": {"cluster": "c"}},
                {
                    "name": "ws",
                    "match": {"prefix": "/ws"},
                    "route": {"cluster": "c", "upgrade_configs": [{"upgrade_type": "WebSocket"}]},
                },
                {"name": "r", "match": {"prefix": "/"}, "route": {"cluster": "c"}},
            ],
        }
    ],
}


def proxy(**options: Any) -> Proxy:
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": EXTENSION + "filters.http.router.v3.Router"},
    }
    manager = {"@type": HCM, "stat_prefix": "i", "route_config": ROUTES, "http_filters": [router], **options}
    listener = {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 80}},
        "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}],
    }
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 8080}}}}
    cluster = {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": "c",
        "load_assignment": {"cluster_name": "c", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    admin = "type.googleapis.com/envoy.admin.v3."
    dump = {
        "configs": [
            {"@type": admin + "BootstrapConfigDump", "bootstrap": {"node": {"id": "n", "cluster": "k"}}},
            {"@type": admin + "ListenersConfigDump", "static_listeners": [{"listener": listener}]},
            {"@type": admin + "ClustersConfigDump", "static_clusters": [{"cluster": cluster}]},
        ]
    }
    return Proxy(load([json.dumps(dump).encode()]))


def ask(
    config: Json,
    path: str = "/",
    headers: Headers = (),
    *,
    authority: str | None = "foo.com",
    **fields: Any,  # type: ignore[assignment]
) -> Outcome:
    link = Connection(source="203.0.113.9:5", protocol=fields.pop("protocol", "HTTP/1.1"))
    request = Request(connection=link, path=path, authority=authority, headers=tuple(headers), **fields)
    return simulate(proxy(**config), request, World(), State()).outcome


REMOTE, HOPS = {"use_remote_address": True}, {"xff_num_trusted_hops": 1}
INSIDE = {"internal_address_config": {"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}}
RANGES = {
    "cidrs": [{"address_prefix": "203.0.113.0", "prefix_len": 24}, {"address_prefix": "10.0.0.0", "prefix_len": 8}]
}
FORGED = [("x-envoy-internal", "true"), ("x-envoy-ip-tags", "t"), ("x-envoy-original-path", "/o"), ("x-only", "1")]


def xff(value: str) -> Headers:
    return [("x-forwarded-for", value)]


def detection(kind: str, **fields: Any) -> Json:
    return {"original_ip_detection_extensions": [{"name": "x", "typed_config": {"@type": kind, **fields}}]}


# configuration, request headers, headers that the upstream must receive (None: must not)
TRUST: list[tuple[Json, Headers, dict[str, str | None]]] = [
    ({}, [], {"x-forwarded-for": None, "x-forwarded-proto": "http", "x-request-id": "*", "x-envoy-internal": None}),
    ({}, FORGED, {"x-envoy-internal": None, "x-envoy-ip-tags": None, "x-envoy-original-path": "/o", "x-only": None}),
    (REMOTE, FORGED, {"x-envoy-original-path": None, "x-envoy-external-address": "203.0.113.9"}),
    (REMOTE, xff("1.2.3.4"), {"x-forwarded-for": "1.2.3.4,203.0.113.9", "x-envoy-external-address": "203.0.113.9"}),
    ({**REMOTE, **HOPS}, xff("1.2.3.4"), {"x-envoy-external-address": "1.2.3.4"}),
    ({**REMOTE, "skip_xff_append": True}, xff("1.2.3.4"), {"x-forwarded-for": "1.2.3.4"}),
    (REMOTE, [("x-forwarded-proto", "https")], {"x-forwarded-proto": "http"}),
    ({**REMOTE, **HOPS}, [("x-forwarded-proto", "https")], {"x-forwarded-proto": "https"}),
    ({"append_x_forwarded_port": True}, [], {"x-forwarded-port": "80"}),
    (INSIDE, xff("10.0.0.1"), {"x-envoy-internal": "true"}),
    (INSIDE, [*xff("10.0.0.1"), *FORGED], {"x-envoy-internal": "true", "x-envoy-ip-tags": "t", "x-only": "1"}),
    (INSIDE, xff("10.0.0.2,10.0.0.1"), {"x-envoy-internal": None}),
    (INSIDE, [], {"x-envoy-internal": None}),
    ({**INSIDE, **detection(XFF, xff_trusted_cidrs=RANGES)}, xff("10.0.0.1"), {"x-envoy-internal": "true"}),
    (
        detection(XFF, xff_trusted_cidrs=RANGES, skip_xff_append=False),
        xff("1.1.1.1, 10.0.0.1"),
        {"x-forwarded-for": "1.1.1.1, 10.0.0.1,203.0.113.9"},
    ),
    (detection(CUSTOM, header_name="x-ip"), [("x-ip", "5.6.7.8")], {"x-forwarded-for": None}),
    (
        {"add_user_agent": True, "via": "lab"},
        [("via", "a")],
        {"user-agent": "k", "via": "a, lab", "x-envoy-downstream-service-node": "n"},
    ),
    ({"generate_request_id": False}, [], {"x-request-id": None}),
    ({}, [("x-request-id", "mine")], {"x-request-id": "mine"}),
    (REMOTE, [("x-request-id", "mine")], {"x-request-id": "*"}),
    ({}, [("referer", "http://a.com/x#f")], {"referer": None}),
    ({}, [("referer", "/a:b")], {"referer": "/a:b"}),
    (
        {},
        [("te", "gzip"), ("keep-alive", "1"), ("connection", "close"), ("expect", "100-Continue")],
        {"te": None, "keep-alive": None, "connection": None, "expect": None},
    ),
    ({}, [("x-forwarded-client-cert", "By=x")], {"x-forwarded-client-cert": None}),
    (
        {"forward_client_cert_details": "ALWAYS_FORWARD_ONLY"},
        [("x-forwarded-client-cert", "By=x")],
        {"x-forwarded-client-cert": "By=x"},
    ),
]


@pytest.mark.parametrize(("config", "headers", "wanted"), TRUST)
def test_who_is_trusted(config: Json, headers: Headers, wanted: dict[str, str | None]) -> None:
    sent = dict(ask(config, headers=headers).attempts[0].headers)
    assert {name: sent.get(name) for name in wanted} == wanted


NORMAL = {"normalize_path": True, "merge_slashes": True}
FORWARD, REDIRECT, REJECT = (
    {"path_with_escaped_slashes_action": action}
    for action in ("UNESCAPE_AND_FORWARD", "UNESCAPE_AND_REDIRECT", "REJECT_REQUEST")
)
# configuration, path, path that is sent on or the details of the refusal
PATHS: list[tuple[Json, str, str]] = [
    ({}, "/a/../b//c%2fd%61", "/a/../b//c%2fd%61"),
    ({}, "/a#b", "path_normalization_failed"),
    ({}, "http://x?y", "absolute_path_rejected"),
    (NORMAL, "/a/../b//c%2fd%61?x/../y", "/b/c%2fda?x/../y"),
    (NORMAL, "/a%00", "path_normalization_failed"),
    (NORMAL, "/a|b^c`d", "/a%7Cb%5Ec%60d"),
    (NORMAL, "/a\\b/%2e%2e/%7e", "/a/~"),
    (NORMAL, "/%zz/%4", "/%zz/%4"),
    ({"merge_slashes": True}, "//a///b//", "/a/b/"),
    ({**NORMAL, **FORWARD}, "/a%2f..%5Cb", "/b"),
    (FORWARD, "/a%5cb", "/a\\b"),
    (REJECT, "/a%2Fb", "path_normalization_failed"),
    (REJECT, "/a?b=%2F", "/a?b=%2F"),
]


@pytest.mark.parametrize(("config", "path", "wanted"), PATHS)
def test_paths(config: Json, path: str, wanted: str) -> None:
    outcome = ask(config, path)
    assert (outcome.attempts[0].path if outcome.attempts else outcome.response_code_details) == wanted


def test_escaped_slashes_may_redirect_but_not_grpc() -> None:
    assert dict(ask({**NORMAL, **REDIRECT}, "/a%2f..%2fb?c").headers)["location"] == "/b?c"
    grpc = ask(REDIRECT, "/a%2fb", [("content-type", "application/grpc")])
    assert (grpc.status, dict(grpc.headers)["grpc-status"]) == (200, "13")


ANY_PORT, OWN_PORT, DOT = (
    {name: True} for name in ("strip_any_host_port", "strip_matching_host_port", "strip_trailing_host_dot")
)
HOSTS: list[tuple[Json, str, str]] = [
    ({}, "foo.com.:80", "foo.com.:80"),
    (ANY_PORT, "foo.com:81", "foo.com"),
    (ANY_PORT, "foo.com:", "foo.com:"),
    (ANY_PORT, "foo.com:+8", "foo.com"),
    (ANY_PORT, "[::1]:80", "[::1]"),
    (OWN_PORT, "foo.com:80", "foo.com"),
    (OWN_PORT, "foo.com:81", "foo.com:81"),
    ({**DOT, **ANY_PORT}, "FOO.com.:80", "FOO.com"),
    (DOT, "foo.com.", "foo.com"),
]


@pytest.mark.parametrize(("config", "host", "sent"), HOSTS)
def test_hosts(config: Json, host: str, sent: str) -> None:
    assert ask(config, authority=host).attempts[0].authority == sent


def mapper(status: int, **fields: Any) -> Json:
    comparison = {"op": "EQ", "value": {"default_value": status, "runtime_key": "k"}}
    return {"filter": {"status_code_filter": {"comparison": comparison}}, **fields}


TEXT = {"text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%|%RESPONSE_CODE%"}}
MAPPED = {
    "local_reply_config": {
        "mappers": [mapper(503, status_code=418, body={"inline_string": "b"}, body_format_override=TEXT)]
    }
}
AS_JSON = {
    "local_reply_config": {"body_format": {"json_format": {"code": "%RESPONSE_CODE%", "b": "%LOCAL_REPLY_BODY%"}}}
}
UNAVAILABLE = 'envoy; error=destination_unavailable; details="cluster_not_found; NC"'
GRPC = [("content-type", "application/grpc")]
# configuration, request, status, details, body, some headers of the answer
REPLIES: list[tuple[Json, Json, int, str, str, dict[str, str | None]]] = [
    ({}, {"authority": None}, 400, "missing_host_header", "", {"content-length": "0", "content-type": None}),
    ({}, {"path": "/gone"}, 503, "cluster_not_found", "", {"server": "envoy"}),
    ({}, {"path": "/direct"}, 200, "direct_response", "ok", {"content-type": "text/plain", "content-length": "2"}),
    ({}, {"path": "/direct", "method": "HEAD"}, 200, "direct_response", "", {"content-length": "2"}),
    ({}, {"path": "/direct", "headers": GRPC}, 200, "direct_response", "", {"grpc-status": "2", "grpc-message": "ok"}),
    (MAPPED, {"path": "/gone"}, 418, "cluster_not_found", "b|418", {"content-type": "text/plain"}),
    (
        MAPPED,
        {"path": "/gone", "headers": GRPC},
        200,
        "cluster_not_found",
        "",
        {"grpc-status": "2", "grpc-message": "b|418"},
    ),
    (
        AS_JSON,
        {"path": "/direct"},
        200,
        "direct_response",
        '{"b":"ok","code":200}\n',
        {"content-type": "application/json"},
    ),
    (AS_JSON, {"path": "/moved"}, 301, "direct_response", '{"b":"","code":301}\n', {"location": "http://foo.com/new"}),
    (AS_JSON, {"authority": "a b"}, 400, "http.invalid_authority", '{"b":"Bad Request","code":400}\n', {}),
    ({"server_name": "s", "via": "v"}, {"path": "/direct"}, 200, "direct_response", "ok", {"server": "s", "via": "v"}),
    (
        {"server_header_transformation": "PASS_THROUGH"},
        {"path": "/direct"},
        200,
        "direct_response",
        "ok",
        {"server": None},
    ),
    ({"proxy_status_config": {}}, {"path": "/gone"}, 503, "cluster_not_found", "", {"proxy-status": UNAVAILABLE}),
    ({"proxy_status_config": {}}, {"method": "WEIRD"}, 400, "http1.codec_error", "Bad Request", {"proxy-status": None}),
    (
        detection(CUSTOM, header_name="x-ip", reject_with_status={"code": "Unauthorized"}),
        {},
        401,
        "rejecting_because_detection_failed",
        "",
        {},
    ),
]


@pytest.mark.parametrize(("config", "request_", "status", "details", "body", "headers"), REPLIES)
def test_local_replies(
    config: Json, request_: Json, status: int, details: str, body: str, headers: dict[str, str | None]
) -> None:
    outcome = ask(config, **request_)
    assert (outcome.status, outcome.response_code_details, outcome.body) == (status, details, body)
    assert {name: dict(outcome.headers).get(name) for name in headers} == headers


def test_codec_errors_have_their_flag_after_the_reply() -> None:
    outcome = ask({}, method="WEIRD")
    assert (outcome.response_flags, outcome.route) == (("DPE",), None)


WEBSOCKET = [("connection", "Upgrade"), ("upgrade", "websocket")]
ENABLED = {"upgrade_configs": [{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}]}
# configuration, request, details
UPGRADES: list[tuple[Json, Json, str]] = [
    ({}, {"path": "/a", "headers": WEBSOCKET}, "upgrade_failed"),
    ({}, {"path": "/direct", "headers": WEBSOCKET}, "upgrade_failed"),
    ({}, {"path": "/ws", "headers": WEBSOCKET}, "websocket_handshake_unsuccessful"),
    (ENABLED, {"path": "/direct", "headers": WEBSOCKET}, "direct_response"),
    ({}, {"path": "/a", "headers": [("connection", "Upgrade"), ("upgrade", "h2c")]}, "via_upstream"),
    ({}, {"method": "CONNECT", "path": "", "authority": "a.com:80"}, "upgrade_failed"),
    (ENABLED, {"method": "CONNECT", "path": "", "authority": "a.com:80"}, "via_upstream"),
    (ENABLED, {"method": "CONNECT", "path": "", "authority": "a.com", "protocol": "HTTP/2"}, "via_upstream"),
]


@pytest.mark.parametrize(("config", "request_", "details"), UPGRADES)
def test_upgrades(config: Json, request_: Json, details: str) -> None:
    assert ask(config, **request_).response_code_details == details


@pytest.mark.parametrize(("body", "said"), [("b", True), ("", False)])
def test_a_slow_client_is_not_simulated_and_that_is_said(body: str, said: bool) -> None:
    request = Request(connection=Connection(source="203.0.113.9:5"), method="POST", authority="foo.com", body=body)
    trace = simulate(proxy(request_timeout="2s"), request, World(), State())

    assert any("request_timeout 2000 ms" in note.text for note in trace.notes) == said


def test_access_log_of_every_end() -> None:
    logger = {
        "name": "f",
        "typed_config": {
            "@type": EXTENSION + "access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {
                "text_format_source": {"inline_string": "%RESPONSE_CODE% %RESPONSE_FLAGS% %ROUTE_NAME% %REQ(:PATH)%\n"}
            },
        },
    }
    only_errors = {**logger, "filter": {"response_flag_filter": {}}}
    config = {"access_log": [logger, only_errors]}
    assert list(ask(config, "/direct").access_log) == ["200 - direct /direct"]
    assert list(ask(config, "/gone").access_log) == ["503 NC gone /gone"] * 2
    assert list(ask(config, method="WEIRD").access_log) == ["400 DPE - -"] * 2
    assert list(ask(config, headers=[("connection", "close")], protocol="HTTP/2").access_log) == ["0 DPE - -"] * 2
