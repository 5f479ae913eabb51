"""The connection manager: what it admits, how it normalizes, whom it trusts, what it adds."""

from __future__ import annotations

from ..build import TYPE
from .row import Behaviour, Json, Part, Row, ask, direct, option, route

H1 = "HTTP/1.1"
H2 = "HTTP/2"
H10 = "HTTP/1.0"
GRPC = {"content-type": "application/grpc"}
LOCAL = {"internal_address_config": {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}}
EARLY = {
    "name": "early",
    "typed_config": {
        "@type": TYPE + "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        "mutations": [
            {"append": option("x-early", "%REQ(:PATH)%", "OVERWRITE_IF_EXISTS_OR_ADD")},
            {"append": option("x-forwarded-for", "9.9.9.9", "OVERWRITE_IF_EXISTS_OR_ADD")},
            {"remove": "x-gone"},
        ],
    },
}


def detection(kind: str, **fields: object) -> Json:
    return {
        "original_ip_detection_extensions": [
            {
                "name": kind,
                "typed_config": {
                    "@type": f"{TYPE}envoy.extensions.http.original_ip_detection.{kind}.v3.{fields.pop('type')}",
                    **fields,
                },
            }
        ]
    }


ADMISSION = Part(
    "manager: admission",
    (
        Row(
            "host",
            [
                ask(authority=None),
                ask(authority=""),
                ask(authority=None, protocol=H2),
                ask("/", {"host": "h.com"}, authority=None, protocol=H2),
                ask("/", {"host": "h.com"}, protocol=H2),
                ask("/", {"host": "other"}),
                ask("/", authority="a b"),
                ask("/", authority="a@b"),
                ask("/", authority="a/b"),
                ask("/", authority="é"),
                ask("/", authority="a:b:c"),
                ask("/", authority="[::1]:80"),
                ask("/", authority="a,b"),
                ask("/", authority="a b", protocol=H2),
                ask(authority="a_b"),
                ask(authority="user:pw@h"),
            ],
        ),
        Row(
            "http/1.0",
            [
                ask(protocol=H10),
                ask(protocol=H10, authority=None),
                ask("/", {"connection": "keep-alive"}, protocol=H10),
            ],
        ),
        Row(
            "http/1.0 accepted",
            [
                ask(protocol=H10),
                ask(protocol=H10, authority=None),
                ask("/", {"connection": "keep-alive"}, protocol=H10),
                ask("/d", {"connection": "keep-alive"}, protocol=H10),
                ask("/d", protocol=H10),
            ],
            {"http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "ten.com"}},
            [direct("d", {"prefix": "/d"})],
        ),
        Row(
            "http/1.0 accepted without a host",
            [ask(protocol=H10, authority=None), ask(protocol=H10)],
            {"http_protocol_options": {"accept_http_10": True}},
        ),
        Row(
            "paths",
            [
                ask("*"),
                ask("*", method="OPTIONS"),
                ask("x"),
                ask(""),
                ask("//"),
                ask("/a#b"),
                ask("/a?b#c"),
                ask("/é"),
                ask("/a b"),
                ask("/%00"),
                ask("/a\tb"),
                ask("?a"),
                ask("", protocol=H2),
                ask("x", protocol=H2),
                ask("*", protocol=H2, method="OPTIONS"),
                ask("/a#b", protocol=H2),
                ask("/a b", protocol=H2),
            ],
        ),
        Row(
            "absolute",
            [
                ask("http://abs.com/x?y"),
                ask("http://abs.com"),
                ask("https://abs.com/x"),
                ask("http://abs.com:81/"),
                ask("http://"),
                ask("ftp://abs.com/x"),
                ask("http://abs.com?x"),
                ask("HTTP://ABS.com/X"),
                ask("http://u@abs.com/"),
                ask("http:///x"),
                ask("http://abs.com/x", authority=None),
            ],
            routes=[direct("s", {"prefix": "/", "headers": [{"name": ":scheme", "string_match": {"exact": "https"}}]})],
        ),
        Row(
            "absolute refused",
            [ask("http://abs.com/x?y"), ask("/x")],
            {"http_protocol_options": {"allow_absolute_url": False}},
        ),
        Row(
            "framing",
            [
                ask("/", {"content-length": "1", "transfer-encoding": "chunked"}, method="POST"),
                ask("/", (("content-length", "3"), ("content-length", "3")), method="POST", body="abc"),
                ask("/", (("content-length", "3"), ("content-length", "4")), method="POST", body="abc"),
                ask("/", {"content-length": "x"}, method="POST"),
                ask("/", {"content-length": "-1"}, method="POST"),
                ask("/", {"content-length": "+3"}, method="POST", body="abc"),
                ask("/", {"transfer-encoding": "gzip"}, method="POST"),
                ask("/", {"transfer-encoding": "identity"}, method="POST"),
                ask("/", {"content-length": "0"}),
            ],
        ),
        Row(
            "methods",
            [
                ask(method=m)
                for m in (
                    "PUT",
                    "PATCH",
                    "TRACE",
                    "PROPFIND",
                    "LOCK",
                    "FOO",
                    "get",
                    "SOURCE",
                    "PURGE",
                    "M-SEARCH",
                    "QUERY",
                )
            ],
        ),
        Row(
            "the query method",
            [
                ask("/", h, method="QUERY", **f)
                for h in ({}, {"content-type": "a/b"}, {"content-type": ""})
                for f in ({}, {"protocol": H2}, {"authority": None})
            ]
            + [ask(p, method="QUERY") for p in ("*", "x", "/a#b", "/a%2fb")]
            + [ask("/", GRPC, method="QUERY"), ask("/", method="QUERY", body="x")],
            {"path_with_escaped_slashes_action": "REJECT_REQUEST"},
        ),
        Row(
            "custom methods",
            [ask(method=m) for m in ("FOO", "get", "G T")],
            {"http_protocol_options": {"allow_custom_methods": True}},
        ),
        Row("methods over h2", [ask(method=m, protocol=H2) for m in ("FOO", "get", "TRACE", "CONNECT")]),
        Row(
            "header names",
            [
                ask("/", {"a b": "1"}),
                ask("/", {"x(": "1"}),
                ask("/", {"": "1"}),
                ask("/", {"x-é": "1"}),
                ask("/", {"X-Up": "1"}),
                ask("/", {"x_y": "1"}),
                ask("/", {"x-nul": "a\x01b"}),
                ask("a", {"x-nul": "a\x01b"}, method="xx"),
                ask("/", {"x-large": "v" * 70_000, "x-nul": "a\x01b"}, method="xx"),
                ask("/", {"x-tab": "a\tb"}),
                ask("/", {"x-high": "é"}),
                ask("/", {"x-sp": "  a  "}),
                ask("/", {"x-empty": ""}),
            ],
        ),
        Row(
            "underscores refused",
            [ask("/", {"x_y": "1"}), ask("/", {"x-y": "1"}), ask("/", {"x_y": "1"}, protocol=H2)],
            {"common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"}},
        ),
        Row(
            "underscores dropped",
            [ask("/", {"x_y": "1", "z": "2"}), ask("/", {"x_y": "1"}, protocol=H2)],
            {"common_http_protocol_options": {"headers_with_underscores_action": "DROP_HEADER"}},
        ),
        Row(
            "size",
            [ask("/", {"x": "a" * n}) for n in (900, 1100, 3000)]
            + [ask("/" + "p" * 1100), ask("/", {"x": "a" * 3000}, protocol=H2), ask("/d", {"x": "a" * 1100})],
            {"max_request_headers_kb": 1},
            [direct("d", {"prefix": "/d"})],
        ),
        Row(
            "count",
            [ask("/", tuple((f"x{i}", "1") for i in range(n))) for n in (3, 4, 5, 6)]
            + [ask("/", tuple((f"x{i}", "1") for i in range(n)), protocol=H2) for n in (3, 4, 5, 6, 7)],
            {"common_http_protocol_options": {"max_headers_count": 6}},
        ),
        Row(
            "expect",
            [
                ask("/", {"expect": "100-continue"}, method="POST", body="x"),
                ask("/", {"expect": "other"}, method="POST", body="x"),
                ask("/d", {"expect": "100-continue"}, method="POST", body="x"),
            ],
            routes=[direct("d", {"prefix": "/d"})],
        ),
        Row(
            "expect passed on",
            [ask("/", {"expect": "100-continue"}, method="POST", body="x")],
            {"proxy_100_continue": True},
        ),
        Row(
            "closing",
            [
                ask("/d", method="POST", body="x" * 5),
                ask("/d"),
                ask("/d", {"connection": "close"}),
                ask("/none", method="POST", body="x"),
                ask("/d", method="POST", body="x", protocol=H2),
            ],
            routes=[
                direct("d", {"prefix": "/d"}),
                {"name": "n", "match": {"prefix": "/none"}, "route": {"cluster": "no"}},
            ],
        ),
        Row("codec http/1", [ask(protocol=H2), ask()], {"codec_type": "HTTP1"}),
        Row("codec http/2", [ask(protocol=H2), ask(), ask(protocol=H10)], {"codec_type": "HTTP2"}),
        Row(
            "requests per connection",
            [ask(), ask(protocol=H2)],
            {"common_http_protocol_options": {"max_requests_per_connection": 1}},
        ),
        Row(
            "http/2 pseudo",
            [
                ask("/", {"connection": "x"}, protocol=H2),
                ask("/", {"te": "trailers"}, protocol=H2),
                ask("/", {"te": "gzip"}, protocol=H2),
                ask("/", {"transfer-encoding": "chunked"}, protocol=H2),
                ask("/", {"upgrade": "x"}, protocol=H2),
                ask("/", (("cookie", "a=1"), ("cookie", "b=2")), protocol=H2),
                ask("/", (("cookie", "a=1"), ("cookie", "b=2"))),
                ask("/", {"keep-alive": "1"}, protocol=H2),
                ask("/", {"proxy-connection": "1"}, protocol=H2),
                ask("/", {"content-length": "5"}, protocol=H2),
                ask("/", {"content-length": "3"}, protocol=H2, method="POST", body="abc"),
            ],
        ),
    ),
)

NORMALIZATION = Part(
    "manager: normalization",
    (
        Row("off", [ask(p) for p in ("/a/../b", "//a", "/%2e%2e/a", "/a%2fb", "/a\\b")]),
        Row(
            "on",
            [
                ask(p)
                for p in (
                    "/a/../b",
                    "/a/./b/",
                    "//a//b",
                    "/%2e%2e/a",
                    "/a%2fb",
                    "/a\\b",
                    "/a%41%7e",
                    "/%zz",
                    "/%00",
                    "/..",
                    "/a/..",
                    "/a?x=/../y",
                    "/a%c3%a9",
                    "/a%",
                    "/a/%2E/b",
                    "/A%20b",
                    "/a;b/../c",
                    "/a|b",
                    "/a^b",
                    "/a`b",
                    "/a{b}",
                    "/%25",
                    '/a"b',
                    "/a%5cb",
                    "/<x>",
                    "/a?%2e",
                    "/é",
                    "/%C3%A9",
                    "/%e9",
                )
            ]
            + [ask("*", method="OPTIONS")],
            {"normalize_path": True},
        ),
        Row("merge", [ask(p) for p in ("//a//b//", "/a//?x=//y", "/", "//", "/a/../..//b")], {"merge_slashes": True}),
        Row(
            "merge and normalize",
            [ask(p) for p in ("//a//../b//", "/a//..//b", "//../a", "/a/%2f/b")],
            {"merge_slashes": True, "normalize_path": True},
        ),
        Row(
            "escapes rejected",
            [ask(p) for p in ("/a%2fb", "/a%5Cb", "/a?x=%2f", "/a%252f")] + [ask("/a%2Fb", GRPC)],
            {"path_with_escaped_slashes_action": "REJECT_REQUEST"},
        ),
        Row(
            "escapes redirected",
            [ask(p) for p in ("/a%2fb", "/a%5Cb?x=%2f", "/a%2f..%2fb", "/a//b", "/a%2Fb?")]
            + [ask("/a%2fb", GRPC), ask("/a%2Fb", method="POST", body="x"), ask("/a%2Fb", protocol=H2)],
            {
                "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
                "normalize_path": True,
                "merge_slashes": True,
            },
        ),
        Row(
            "escapes redirected alone",
            [ask(p) for p in ("/a%2fb", "/a%5Cb?x=%2f", "/a%2f..%2fb", "/a//b")],
            {"path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT"},
        ),
        Row(
            "escapes forwarded",
            [ask(p) for p in ("/a%2fb", "/a%5Cb?x=%2f", "/a%2f..%2fb", "/%2f%2fa")],
            {"path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD"},
        ),
        Row(
            "dot",
            [ask(authority=a) for a in ("a.com.", "A.com.:99", "a.com..", ".", "a.com", "[::1].:5", "a.com.:")],
            {"strip_trailing_host_dot": True},
        ),
        Row(
            "dot and port",
            [ask(authority=a) for a in ("A.com.:99", "a.com.", "a.com:0")],
            {"strip_trailing_host_dot": True, "strip_any_host_port": True},
        ),
        Row(
            "any port",
            [
                ask(authority=a)
                for a in ("a.com:99", "a.com:", "a.com:x", "[::1]:80", "[::1]", "::1", "a:1:2", "a.com:99999")
            ]
            + [ask(authority="a.com:80", protocol=H2)],
            {"strip_any_host_port": True},
        ),
        Row(
            "matching port",
            [ask(authority=a) for a in ("a.com:99", "a.com:", "[::1]:80")],
            {"strip_matching_host_port": True},
        ),
        Row("runtime normalizes", [ask("/a/../b")], {}),
    ),
)
RUNTIME_NORMALIZATION = Part(
    "manager: normalization by runtime",
    (
        Row("on by runtime", [ask("/a/../b"), ask("/a%2fb")]),
        Row("off by option", [ask("/a/../b")], {"normalize_path": False}),
    ),
    {"http_connection_manager.normalize_path": True, "http_connection_manager.path_with_escaped_slashes_action": 2},
)

XFFS = (
    "",
    "1.1.1.1",
    "1.1.1.1, 2.2.2.2",
    "1.1.1.1,2.2.2.2 ,3.3.3.3",
    "bad",
    "1.1.1.1, bad",
    "::1",
    "1.1.1.1:80",
    "[::1]:80",
    "10.0.0.1",
    "127.0.0.1",
    ",",
    "1.1.1.1,,2.2.2.2",
    " 1.1.1.1 ",
)
ADDRESSES = [
    direct(
        "remote",
        {"path": "/remote"},
        response_headers_to_add=[
            option("x-remote", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
            option("x-direct", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"),
        ],
    )
]
NAMES = """retry-on retry-grpc-on max-retries upstream-rq-timeout-ms upstream-rq-per-try-timeout-ms upstream-rq-
    timeout-alt-response expected-rq-timeout-ms hedge-on-per-try-timeout retriable-status-codes retriable-
    header-names force-trace original-url ip-tags upstream-alt-stat-name decorator-operation downstream-
    service-cluster downstream-service-node original-path original-host internal external-address attempt-
    count is-timeout-retry upstream-stream-duration-ms fault-abort-request decorator"""
CONTROLS = {f"x-envoy-{n}": "9000" if n.endswith("-ms") else "1" for n in NAMES.split()}


def xff(name: str, **manager: object) -> Row:
    requests = [ask(p, {"x-forwarded-for": x} if x else {}) for x in XFFS for p in ("/remote", "/")]
    return Row(
        name,
        [
            *requests,
            ask("/", CONTROLS),
            ask("/", {**CONTROLS, "x-forwarded-for": "127.0.0.1"}),
            ask("/", (("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2"))),
            ask("/", {"x-forwarded-proto": "https"}),
            ask("/", {"x-forwarded-proto": "ftp"}),
            ask("/", {"x-request-id": "mine"}),
            ask("/", {"x-forwarded-host": "o.com"}),
            ask("/", {"x-forwarded-port": "1"}),
        ],
        dict(manager),
        ADDRESSES,
    )


TRUST = Part(
    "manager: trust",
    (
        xff("default"),
        xff("edge", use_remote_address=True),
        xff("edge, internal", use_remote_address=True, **LOCAL),
        xff("internal", **LOCAL),
        xff("edge, one hop", use_remote_address=True, xff_num_trusted_hops=1, **LOCAL),
        xff("one hop", xff_num_trusted_hops=1),
        xff("two hops", xff_num_trusted_hops=2, **LOCAL),
        xff("edge, no append", use_remote_address=True, skip_xff_append=True),
        xff("empty ranges", use_remote_address=True, internal_address_config={}),
        xff("ids", preserve_external_request_id=True, use_remote_address=True, always_set_request_id_in_response=True),
        xff("no ids", generate_request_id=False),
        xff("user agent", add_user_agent=True, via="gw", use_remote_address=True),
        xff(
            "proxy status",
            proxy_status_config={"set_recommended_response_code": True, "use_node_id": True},
            server_name="srv",
        ),
        xff(
            "by custom header",
            **detection(
                "custom_header",
                type="CustomHeaderConfig",
                header_name="x-forwarded-host",
                allow_extension_to_set_address_as_trusted=True,
            ),
        ),
        xff("by xff", **detection("xff", type="XffConfig", xff_num_trusted_hops=1, skip_xff_append=False)),
        xff(
            "by xff cidrs",
            **detection(
                "xff",
                type="XffConfig",
                xff_trusted_cidrs={
                    "cidrs": [
                        {"address_prefix": "127.0.0.0", "prefix_len": 8},
                        {"address_prefix": "2.2.2.2", "prefix_len": 32},
                    ]
                },
            ),
        ),
        xff("forced port", append_x_forwarded_port=True),
        xff("early", early_header_mutation_extensions=[EARLY]),
        Row(
            "custom header missing",
            [ask("/", {"x-real": x} if x else {}) for x in ("", "1.2.3.4", "bad", "127.0.0.1")],
            detection(
                "custom_header", type="CustomHeaderConfig", header_name="x-real", reject_with_status={"code": 401}
            ),
            ADDRESSES,
        ),
        Row(
            "hop by hop",
            [
                ask("/", h)
                for h in (
                    {"connection": "x-a, close", "x-a": "1"},
                    {"connection": "te", "te": "trailers"},
                    {"te": "gzip, trailers"},
                    {"keep-alive": "1"},
                    {"proxy-connection": "keep-alive"},
                    {"upgrade": "foo"},
                    {"upgrade": "foo", "connection": "upgrade"},
                    {"referer": "http://a/b"},
                    {"referer": "bad"},
                    {"referer": "http://u:p@a/"},
                    {"upgrade": "h2c", "connection": "upgrade, http2-settings", "http2-settings": "AAMAAABkAAQAAP__"},
                    {"connection": "host"},
                    {"connection": "x-forwarded-for"},
                )
            ]
            + [ask("/", (("referer", "http://a"), ("referer", "http://b")))],
        ),
        Row(
            "upgrades",
            [ask("/", {"upgrade": u, "connection": "upgrade"}) for u in ("websocket", "WebSocket", "foo")]
            + [
                ask("/none", {"upgrade": "websocket", "connection": "upgrade"}),
                ask("/off", {"upgrade": "websocket", "connection": "upgrade"}),
                ask("/d", {"upgrade": "foo", "connection": "upgrade"}),
            ],
            {"upgrade_configs": [{"upgrade_type": "websocket"}]},
            [
                direct("d", {"prefix": "/d"}),
                route(
                    "off",
                    {"prefix": "/off"},
                    action={"upgrade_configs": [{"upgrade_type": "websocket", "enabled": False}]},
                ),
            ],
        ),
        Row(
            "server header",
            [ask(up=Behaviour(headers=(("server", "up"), ("date", "then"), ("via", "x"))))],
            {"server_header_transformation": "PASS_THROUGH"},
        ),
        Row(
            "server header if absent",
            [ask(up=Behaviour(headers=(("server", "up"),))), ask(), ask("/d")],
            {"server_header_transformation": "APPEND_IF_ABSENT", "via": "gw"},
            [direct("d", {"prefix": "/d"})],
        ),
        Row(
            "scheme",
            [ask("/", {"x-forwarded-proto": p} if p else {}) for p in ("", "https", "http")],
            {"scheme_header_transformation": {"scheme_to_overwrite": "https"}},
        ),
        Row(
            "scheme of the upstream",
            [ask("/", {"x-forwarded-proto": "https"})],
            {"scheme_header_transformation": {"match_upstream": True}},
        ),
        Row("xfcc", [ask("/", {"x-forwarded-client-cert": "By=a;Hash=b"})]),
        Row(
            "xfcc always",
            [ask("/", {"x-forwarded-client-cert": "By=a;Hash=b"})],
            {"forward_client_cert_details": "ALWAYS_FORWARD_ONLY"},
        ),
        Row(
            "xfcc forward",
            [ask("/", {"x-forwarded-client-cert": "By=a;Hash=b"})],
            {"forward_client_cert_details": "FORWARD_ONLY"},
        ),
        Row(
            "xfcc append",
            [ask("/", {"x-forwarded-client-cert": "By=a;Hash=b"})],
            {"forward_client_cert_details": "APPEND_FORWARD"},
        ),
    ),
)
