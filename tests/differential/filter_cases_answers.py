"""Filters that answer, delay or limit requests."""

from __future__ import annotations

from .filter_rows import (
    ALWAYS,
    LOCAL_POLICY,
    STATUS_INPUT,
    TEXT,
    Row,
    cel_tree,
    get,
    header_value,
    http_filter,
    post,
)

ROWS: tuple[Row, ...] = (
    Row(
        "cdn loop",
        [http_filter("cdn_loop.v3.CdnLoopConfig", {"cdn_id": "cdn1"})],
        [
            get(),
            get("/", {"cdn-loop": "other"}),
            get("/", {"cdn-loop": "other; a=b, cdn1"}),
            get("/", {"cdn-loop": 'x;v="a,b"'}),
            get("/", {"cdn-loop": "a b"}),
            get("/", {"cdn-loop": ""}),
            get("/", {"cdn-loop": ",, cdn2 ,"}),
        ],
    ),
    Row(
        "custom response",
        [
            http_filter(
                "custom_response.v3.CustomResponse",
                {
                    "custom_response_matcher": {
                        "matcher_list": {
                            "matchers": [
                                {
                                    "predicate": {
                                        "single_predicate": {
                                            "input": {
                                                "name": "code",
                                                "typed_config": {"@type": STATUS_INPUT},
                                            },
                                            "value_match": {"exact": "503"},
                                        }
                                    },
                                    "on_match": {
                                        "action": {
                                            "name": "a",
                                            "typed_config": {
                                                "@type": LOCAL_POLICY,
                                                "status_code": 499,
                                                "body": {"inline_string": "sorry"},
                                                "body_format": {
                                                    "text_format_source": {
                                                        "inline_string": "%LOCAL_REPLY_BODY% %RESPONSE_CODE%"
                                                    }
                                                },
                                                "response_headers_to_add": [
                                                    header_value("x-custom", "%RESPONSE_CODE%")
                                                ],
                                            },
                                        }
                                    },
                                }
                            ]
                        }
                    }
                },
            )
        ],
        [get(), get("/", status=503, body="down"), get("/", status=504), get("/", action="reset")],
    ),
    Row(
        "health check",
        [
            http_filter(
                "health_check.v3.HealthCheck",
                {
                    "pass_through_mode": False,
                    "cluster_min_healthy_percentages": {"c0": {"value": 50}, "c1": {"value": 100}},
                    "headers": [{"name": ":path", "string_match": {"prefix": "/healthz"}}],
                },
            ),
            http_filter(
                "health_check.v3.HealthCheck",
                {
                    "pass_through_mode": False,
                    "cluster_min_healthy_percentages": {"nowhere": {"value": 0}},
                    "headers": [{"name": ":path", "string_match": {"exact": "/none"}}],
                },
                "second",
            ),
            http_filter(
                "health_check.v3.HealthCheck",
                {
                    "pass_through_mode": True,
                    "cache_time": "3600s",
                    "headers": [{"name": ":path", "string_match": {"exact": "/through"}}],
                },
                "third",
            ),
        ],
        [get("/healthz"), get("/none"), get("/"), get("/through", status=503), get("/through"), get("/other")],
    ),
    Row(
        "buffer: HTTP/2 may end with the data",
        [http_filter("buffer.v3.Buffer", {"max_request_bytes": 10})],
        [post("/", {}, "x" * 10), post("/", {}, "x" * 11)],
        protocol="HTTP/2",
    ),
    Row(
        "buffer",
        [http_filter("buffer.v3.Buffer", {"max_request_bytes": 10})],
        [post("/", {}, "x" * 10), post("/", {}, "x" * 11), post("/", {"content-type": "application/grpc"}, "x" * 11)],
    ),
    Row(
        "fault: headers, nodes, gRPC",
        [
            http_filter(
                "fault.v3.HTTPFault",
                {
                    "headers": [{"name": "x-f", "present_match": True}],
                    "downstream_nodes": ["n1"],
                    "abort": {"header_abort": {}, "percentage": ALWAYS},
                },
            )
        ],
        [
            get("/", {"x-f": "1", "x-envoy-downstream-service-node": "n1", "x-envoy-fault-abort-request": "404"}),
            get("/", {"x-f": "1", "x-envoy-downstream-service-node": "n2", "x-envoy-fault-abort-request": "404"}),
            get("/", {"x-f": "1", "x-envoy-downstream-service-node": "n1", "x-envoy-fault-abort-grpc-request": "5"}),
            post(
                "/",
                {
                    "x-f": "1",
                    "x-envoy-downstream-service-node": "n1",
                    "x-envoy-fault-abort-grpc-request": "5",
                    "content-type": "application/grpc",
                },
            ),
            get(
                "/",
                {
                    "x-f": "1",
                    "x-envoy-downstream-service-node": "n1",
                    "x-envoy-fault-abort-request": "404",
                    "x-envoy-fault-abort-request-percentage": "0",
                },
            ),
        ],
    ),
    Row(
        "a delay that outlasts the stream's idle timeout",
        [
            http_filter(
                "fault.v3.HTTPFault", {"delay": {"header_delay": {}, "percentage": ALWAYS}, "max_active_faults": 1}
            )
        ],
        [
            get("/", {"x-envoy-fault-delay-request": "50"}),
            get("/", {"x-envoy-fault-delay-request": "400"}),
            get("/", {"x-envoy-fault-delay-request": "0"}),
            get("/", {"x-envoy-fault-delay-request": "x"}),
        ],
        manager={"stream_idle_timeout": "0.2s"},
    ),
    Row(
        "custom response: a CEL expression on the code",
        [http_filter("custom_response.v3.CustomResponse", {"custom_response_matcher": cel_tree()})],
        [get("/", {}, status=code, headers=TEXT, body="own") for code in (500, 501, 511, 404, 200)]
        + [get("/", {}, action="reset"), get("/none"), post("/", {"content-type": "application/grpc"}, action="reset")],
    ),
)
