"""HTTP filters and local replies at their edges."""

from __future__ import annotations

from typing import Any

from ..build import HTTP, TYPE
from .row import Behaviour, Json, Part, Row, ask, direct, http_filter, option, redirect, route

GRPC = {"content-type": "application/grpc"}
ALWAYS = {"numerator": 100}
H2 = "HTTP/2"


def per_route(filter_name: str, kind: str, config: Json | None = None) -> Json:
    return {"typed_per_filter_config": {filter_name: {"@type": HTTP + kind, **(config or {})}}}


def fault(**config: Any) -> Json:
    return http_filter("fault.v3.HTTPFault", config)


ABORT = {"http_status": 418, "percentage": ALWAYS}
OFF = {"typed_per_filter_config": {"fault": {"@type": TYPE + "envoy.config.route.v3.FilterConfig", "disabled": True}}}
ON = {
    "typed_per_filter_config": {
        "fault": {
            "@type": TYPE + "envoy.config.route.v3.FilterConfig",
            "config": {"@type": HTTP + "fault.v3.HTTPFault"},
        }
    }
}
FAULT_HEADERS = [
    {},
    {"x-envoy-fault-abort-request": "503"},
    {"x-envoy-fault-abort-request": "99"},
    {"x-envoy-fault-abort-request": "x"},
    {"x-envoy-fault-abort-request": "503", "x-envoy-fault-abort-request-percentage": "0"},
    {"x-envoy-fault-abort-grpc-request": "5"},
    {"x-envoy-fault-abort-grpc-request": "17"},
    {"x-envoy-fault-delay-request": "5", "x-envoy-fault-abort-request": "500"},
]
FAULTS = Part(
    "filters: fault",
    (
        Row(
            "abort",
            [ask(), ask("/", GRPC), ask("/d"), ask("/nc"), ask(method="HEAD")],
            filters=[fault(abort=ABORT)],
            routes=[direct("d", {"prefix": "/d"}), route("nc", {"prefix": "/nc"}, "none")],
        ),
        Row("grpc abort", [ask(), ask("/", GRPC)], filters=[fault(abort={"grpc_status": 5, "percentage": ALWAYS})]),
        Row(
            "delay and abort",
            [ask()],
            filters=[fault(abort=ABORT, delay={"fixed_delay": "0.01s", "percentage": ALWAYS})],
        ),
        Row(
            "by header",
            [ask("/", h) for h in FAULT_HEADERS],
            filters=[
                fault(
                    abort={"header_abort": {}, "percentage": ALWAYS}, delay={"header_delay": {}, "percentage": ALWAYS}
                )
            ],
        ),
        Row(
            "conditions",
            [ask("/", h) for h in ({}, {"x-f": "1"})] + [ask("/other", {"x-f": "1"})],
            filters=[fault(abort=ABORT, upstream_cluster="c0", headers=[{"name": "x-f", "present_match": True}])],
            routes=[route("o", {"prefix": "/other"}, "c1")],
        ),
        Row(
            "nodes",
            [
                ask("/", h)
                for h in ({}, {"x-envoy-downstream-service-node": "n"}, {"x-envoy-downstream-service-node": "m"})
            ],
            filters=[fault(abort=ABORT, downstream_nodes=["n"])],
        ),
        Row(
            "routes",
            [ask("/off"), ask("/own"), ask("/on"), ask()],
            filters=[fault(abort=ABORT)],
            routes=[
                route("off", {"prefix": "/off"}, **OFF),
                route(
                    "own",
                    {"prefix": "/own"},
                    **per_route("fault", "fault.v3.HTTPFault", {"abort": {"http_status": 410, "percentage": ALWAYS}}),
                ),
                route("on", {"prefix": "/on"}, **ON),
            ],
        ),
        Row(
            "disabled",
            [ask("/on"), ask("/own"), ask()],
            filters=[{**fault(abort=ABORT), "disabled": True}],
            routes=[
                route("on", {"prefix": "/on"}, **ON),
                route("own", {"prefix": "/own"}, **per_route("fault", "fault.v3.HTTPFault", {"abort": ABORT})),
            ],
        ),
        Row("by another name", [ask()], filters=[{**fault(abort=ABORT), "name": "mine"}], host=OFF),
        Row(
            "levels",
            [ask("/r"), ask("/")],
            filters=[fault(abort=ABORT)],
            routes=[
                route(
                    "r",
                    {"prefix": "/r"},
                    **per_route("fault", "fault.v3.HTTPFault", {"abort": {"http_status": 410, "percentage": ALWAYS}}),
                )
            ],
            host=OFF,
            table=per_route("fault", "fault.v3.HTTPFault", {"abort": {"http_status": 411, "percentage": ALWAYS}}),
        ),
    ),
)


def mapper(code: int, **fields: Any) -> Json:
    compared = {"comparison": {"op": "EQ", "value": {"default_value": code, "runtime_key": "k"}}}
    return {"filter": {"status_code_filter": compared}, **fields}


EVERYTHING = "[%LOCAL_REPLY_BODY%] %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %ROUTE_NAME%"
ANSWERS = [
    direct("d", {"prefix": "/d"}, 418),
    route("nc", {"prefix": "/nc"}, "none"),
    redirect("r", {"prefix": "/r"}, {"https_redirect": True}),
    {"name": "404", "match": {"prefix": "/404"}, "direct_response": {"status": 404}},
]
LOCAL_REQUESTS = [
    ask("/d"),
    ask("/nc"),
    ask("/r"),
    ask("/404"),
    ask("/nc", GRPC),
    ask("/d", method="HEAD"),
    ask("/d", GRPC),
    ask("/nc", protocol=H2),
    ask("/", up=Behaviour(status=418)),
    ask("/", up=Behaviour(action="close")),
    ask("x"),
    ask(authority=None),
]


def replies(name: str, config: Json, **more: Any) -> Row:
    return Row(name, LOCAL_REQUESTS, {"local_reply_config": config}, ANSWERS, **more)


LOCAL_REPLIES = Part(
    "filters: local replies",
    (
        replies(
            "text",
            {"body_format": {"text_format_source": {"inline_string": EVERYTHING}}},
        ),
        replies(
            "type",
            {
                "body_format": {
                    "text_format_source": {"inline_string": "<%LOCAL_REPLY_BODY%>"},
                    "content_type": "text/html; charset=UTF-8",
                }
            },
        ),
        replies(
            "json",
            {
                "body_format": {
                    "json_format": {
                        "z": "%RESPONSE_CODE%",
                        "a": "%LOCAL_REPLY_BODY%",
                        "m": {"p": "%REQ(:PATH)%", "n": "%REQ(x-none)%"},
                    }
                }
            },
        ),
        replies(
            "mappers",
            {
                "mappers": [
                    mapper(
                        503,
                        status_code=520,
                        body={"inline_string": "mapped"},
                        headers_to_add=[option("x-mapped", "%RESPONSE_CODE%")],
                    ),
                    mapper(418, status_code=200),
                    mapper(503, status_code=599),
                    mapper(
                        404,
                        body_format_override={"text_format_source": {"inline_string": "own %LOCAL_REPLY_BODY%"}},
                        body={"inline_string": "b"},
                    ),
                ],
                "body_format": {"text_format_source": {"inline_string": "all %LOCAL_REPLY_BODY% %RESPONSE_CODE%"}},
            },
        ),
        replies("plain", {}),
        replies(
            "route headers",
            {},
            host={"response_headers_to_add": [option("x-host", "%RESPONSE_CODE%|%RESPONSE_FLAGS%")]},
        ),
    ),
)


def mutation(*steps: Json, side: str = "request") -> Json:
    return http_filter("header_mutation.v3.HeaderMutation", {"mutations": {f"{side}_mutations": list(steps)}})


CHAIN = Part(
    "filters: chain",
    (
        Row(
            "mutations before routing",
            [ask(), ask("/b")],
            filters=[
                mutation(
                    {"append": option("x-b", "/b", "OVERWRITE_IF_EXISTS_OR_ADD")},
                    {"append": option("x-p", "%REQ(:path)%")},
                )
            ],
            routes=[route("b", {"prefix": "/b"}, "c1")],
        ),
        Row(
            "mutations of answers",
            [ask(up=Behaviour(headers=(("x-up", "1"),))), ask("/d"), ask("/none", authority="q")],
            filters=[
                mutation({"append": option("x-a", "%RESP(x-up)%|%RESPONSE_CODE%")}, {"remove": "x-up"}, side="response")
            ],
            routes=[direct("d", {"prefix": "/d"})],
            host={"domains": ["foo.com"]},
        ),
        Row(
            "buffer",
            [ask("/", method="POST", body="x" * n) for n in (4, 5, 6)]
            + [
                ask("/off", method="POST", body="x" * 6),
                ask("/own", method="POST", body="x" * 6),
                ask("/", GRPC, method="POST", body="x" * 6),
                ask("/", method="POST", body="x" * 6, protocol=H2),
            ],
            filters=[http_filter("buffer.v3.Buffer", {"max_request_bytes": 5})],
            routes=[
                route("off", {"prefix": "/off"}, **per_route("buffer", "buffer.v3.BufferPerRoute", {"disabled": True})),
                route(
                    "own",
                    {"prefix": "/own"},
                    **per_route("buffer", "buffer.v3.BufferPerRoute", {"buffer": {"max_request_bytes": 50}}),
                ),
            ],
        ),
        Row(
            "csrf",
            [
                ask("/", h, method=m)
                for m in ("GET", "POST", "DELETE")
                for h in (
                    {},
                    {"origin": "http://foo.com"},
                    {"origin": "https://foo.com:80"},
                    {"origin": "http://bad.com"},
                    {"referer": "http://foo.com/x"},
                    {"origin": "null"},
                    {"origin": "http://ok.com"},
                    {"origin": "foo.com"},
                )
            ],
            filters=[
                http_filter(
                    "csrf.v3.CsrfPolicy",
                    {"filter_enabled": {"default_value": ALWAYS}, "additional_origins": [{"exact": "ok.com"}]},
                )
            ],
        ),
        Row(
            "csrf shadow",
            [ask("/", {"origin": "http://bad.com"}, method="POST")],
            filters=[
                http_filter(
                    "csrf.v3.CsrfPolicy",
                    {"filter_enabled": {"default_value": {}}, "shadow_enabled": {"default_value": ALWAYS}},
                )
            ],
        ),
        Row(
            "cors",
            [
                ask(p, h, method=m)
                for p in ("/", "/d", "/off", "/r")
                for m, h in (
                    ("GET", {}),
                    ("GET", {"origin": "http://ok.com"}),
                    ("GET", {"origin": "http://no.com"}),
                    ("OPTIONS", {"origin": "http://ok.com"}),
                    ("OPTIONS", {"origin": "http://ok.com", "access-control-request-method": "PUT"}),
                    ("OPTIONS", {"origin": "http://no.com", "access-control-request-method": "PUT"}),
                    (
                        "OPTIONS",
                        {
                            "origin": "http://ok.com",
                            "access-control-request-method": "PUT",
                            "access-control-request-private-network": "true",
                        },
                    ),
                )
            ],
            filters=[http_filter("cors.v3.Cors")],
            routes=[
                direct("d", {"prefix": "/d"}),
                redirect("r", {"prefix": "/r"}, {"https_redirect": True}),
                route(
                    "off",
                    {"prefix": "/off"},
                    **per_route(
                        "cors",
                        "cors.v3.CorsPolicy",
                        {
                            "allow_origin_string_match": [{"exact": "http://no.com"}],
                            "filter_enabled": {"default_value": {"numerator": 100}},
                            "forward_not_matching_preflights": False,
                        },
                    ),
                ),
            ],
            host=per_route(
                "cors",
                "cors.v3.CorsPolicy",
                {
                    "allow_origin_string_match": [{"suffix": "ok.com"}],
                    "allow_methods": "GET,PUT",
                    "allow_headers": "x-h",
                    "expose_headers": "x-e",
                    "max_age": "10",
                    "allow_credentials": True,
                    "allow_private_network_access": True,
                },
            ),
        ),
        Row(
            "local rate limit",
            [ask(), ask(), ask("/", GRPC)],
            filters=[
                http_filter(
                    "local_ratelimit.v3.LocalRateLimit",
                    {
                        "stat_prefix": "l",
                        "status": {"code": 200},
                        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
                        "token_bucket": {"max_tokens": 1, "fill_interval": "3600s"},
                        "filter_enabled": {"default_value": ALWAYS},
                        "filter_enforced": {"default_value": ALWAYS},
                        "response_headers_to_add": [option("x-limited", "1")],
                    },
                )
            ],
        ),
        Row(
            "local rate limit unenforced",
            [ask(), ask(), ask()],
            filters=[
                http_filter(
                    "local_ratelimit.v3.LocalRateLimit",
                    {"stat_prefix": "l", "token_bucket": {"max_tokens": 1, "fill_interval": "3600s"}},
                )
            ],
        ),
        Row(
            "health check",
            [
                ask("/hc"),
                ask("/hc?x"),
                ask("/", {"x-h": "1"}),
                ask("/hc", method="HEAD"),
                ask("/hc", method="POST", body="x"),
            ],
            filters=[
                http_filter(
                    "health_check.v3.HealthCheck",
                    {"pass_through_mode": False, "headers": [{"name": ":path", "string_match": {"exact": "/hc"}}]},
                )
            ],
        ),
        Row(
            "health check of clusters",
            [ask("/hc")],
            filters=[
                http_filter(
                    "health_check.v3.HealthCheck",
                    {
                        "pass_through_mode": False,
                        "headers": [{"name": ":path", "string_match": {"exact": "/hc"}}],
                        "cluster_min_healthy_percentages": {"c0": {"value": 50}, "none": {"value": 0}},
                    },
                )
            ],
        ),
        Row(
            "health check passed",
            [ask("/hc", up=Behaviour(status=503)), ask("/hc")],
            filters=[
                http_filter(
                    "health_check.v3.HealthCheck",
                    {"pass_through_mode": True, "headers": [{"name": ":path", "string_match": {"exact": "/hc"}}]},
                )
            ],
        ),
        Row(
            "header to metadata",
            [
                ask("/", h)
                for h in ({}, {"x-v": "one-two"}, {"x-v": ""}, (("x-v", "a"), ("x-v", "b")), {"cookie": "c=k"})
            ],
            filters=[
                http_filter(
                    "header_to_metadata.v3.Config",
                    {
                        "request_rules": [
                            {
                                "header": "x-v",
                                "on_header_present": {
                                    "key": "k",
                                    "regex_value_rewrite": {"pattern": {"regex": "^(.*)-.*$"}, "substitution": r"\1"},
                                },
                                "on_header_missing": {"key": "k", "value": "missing"},
                                "remove": True,
                            },
                            {"cookie": "c", "on_header_present": {"key": "c"}},
                        ]
                    },
                )
            ],
            host={
                "request_headers_to_add": [
                    option("x-k", "%DYNAMIC_METADATA(envoy.filters.http.header_to_metadata:k)%"),
                    option("x-c", "%DYNAMIC_METADATA(envoy.filters.http.header_to_metadata:c)%"),
                ]
            },
        ),
        Row(
            "grpc web",
            [
                ask("/", {"content-type": c}, method="POST", body="")
                for c in (
                    "application/grpc-web",
                    "application/grpc-web+proto",
                    "application/grpc-web-text",
                    "application/grpc",
                    "text/plain",
                )
            ]
            + [ask("/d", {"content-type": "application/grpc-web"}, method="POST")],
            filters=[http_filter("grpc_web.v3.GrpcWeb")],
            routes=[route("g", {"prefix": "/", "grpc": {}}, "c1"), direct("d", {"prefix": "/d"})],
        ),
        Row(
            "cdn loop",
            [ask("/", {"cdn-loop": v} if v else {}) for v in ("", "me", "you", "me, me", "you; a=b, me", "bad;;")],
            filters=[http_filter("cdn_loop.v3.CdnLoopConfig", {"cdn_id": "me", "max_allowed_occurrences": 1})],
        ),
    ),
)
