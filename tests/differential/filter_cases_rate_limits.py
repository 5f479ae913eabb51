"""Local rate limits: descriptors, buckets, when the flag is seen."""

from __future__ import annotations

from .filter_rows import (
    ON,
    Row,
    get,
    header_value,
    http_filter,
    limited,
    post,
)

ROWS: tuple[Row, ...] = (
    Row(
        "local rate limit: buckets of descriptors",
        [
            http_filter(
                "local_ratelimit.v3.LocalRateLimit",
                {
                    "stat_prefix": "rl",
                    "token_bucket": {"max_tokens": 5, "tokens_per_fill": 1, "fill_interval": "3600s"},
                    "filter_enabled": ON,
                    "filter_enforced": ON,
                    "response_headers_to_add": [header_value("x-limited", "%REQ(:path)%")],
                    "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
                    "descriptors": [
                        {
                            "entries": [{"key": "who", "value": "me"}],
                            "token_bucket": {"max_tokens": 2, "tokens_per_fill": 1, "fill_interval": "3600s"},
                        },
                        {
                            "entries": [{"key": "who", "value": ""}],
                            "token_bucket": {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "7200s"},
                        },
                    ],
                    "rate_limits": [
                        {"actions": [{"request_headers": {"header_name": "x-who", "descriptor_key": "who"}}]}
                    ],
                },
            )
        ],
        [
            get(),
            get("/a", {"x-who": "me"}),
            get("/b", {"x-who": "me"}),
            get("/c", {"x-who": "me"}),
            get("/d", {"x-who": "you"}),
            get("/e", {"x-who": "you"}),
            post("/f", {"x-who": "you", "content-type": "application/grpc"}),
            get("/g"),
            get("/h"),
        ],
    ),
    Row(
        "local rate limit: descriptors of routes, virtual hosts, gRPC status, not enforced",
        [
            http_filter(
                "local_ratelimit.v3.LocalRateLimit",
                {
                    "stat_prefix": "rl",
                    "filter_enabled": ON,
                    "filter_enforced": ON,
                    "status": {"code": "ServiceUnavailable"},
                    "rate_limited_as_resource_exhausted": True,
                    "descriptors": [
                        {
                            "entries": [{"key": key, "value": value}],
                            "token_bucket": {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "3600s"},
                        }
                        for key, value in (
                            ("generic_key", "route"),
                            ("generic_key", "host"),
                            ("header_match", "yes"),
                            ("destination_cluster", "c0"),
                            ("remote_address", "127.0.0.1"),
                            ("masked_remote_address", "127.0.0.0/8"),
                            ("query_match", "q"),
                        )
                    ],
                },
            )
        ],
        [
            get("/"),
            get("/"),
            post("/", {"content-type": "application/grpc"}),
            get("/m", {"x-m": "1"}),
            get("/m", {"x-m": "1"}),
            get("/m"),
            get("/dest"),
            get("/dest"),
            get("/remote"),
            get("/remote"),
            get("/mask"),
            get("/mask"),
            get("/query?q=1"),
            get("/query?q=1"),
            get("/query"),
            get("/two"),
            get("/two"),
        ],
        host={"rate_limits": [{"actions": [{"generic_key": {"descriptor_value": "host"}}]}]},
        routes=[
            limited("/m", {"header_value_match": {"descriptor_value": "yes", "headers": [{"name": "x-m"}]}}),
            limited("/dest", {"destination_cluster": {}}),
            limited("/remote", {"remote_address": {}}),
            limited("/mask", {"masked_remote_address": {"v4_prefix_mask_len": 8}}),
            limited(
                "/query",
                {
                    "query_parameter_value_match": {
                        "descriptor_value": "q",
                        "query_parameters": [{"name": "q", "present_match": True}],
                    }
                },
            ),
            limited("/two", {"generic_key": {"descriptor_value": "route"}}, include_vh_rate_limits=True),
        ],
    ),
    Row(
        "local rate limit: the flag comes after mappers and route mutations, before filters",
        [
            http_filter(
                "header_mutation.v3.HeaderMutation",
                {"mutations": {"response_mutations": [{"append": header_value("x-filter", "%RESPONSE_FLAGS%")}]}},
            ),
            http_filter(
                "local_ratelimit.v3.LocalRateLimit",
                {
                    "stat_prefix": "rl",
                    "filter_enabled": ON,
                    "filter_enforced": ON,
                    "token_bucket": {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "3600s"},
                },
            ),
        ],
        [get("/"), get("/"), post("/", {"content-type": "application/grpc"})],
        manager={
            "local_reply_config": {
                "mappers": [
                    {"filter": {"response_flag_filter": {"flags": ["RL"]}}, "body": {"inline_string": "never"}},
                ],
                "body_format": {"text_format_source": {"inline_string": "[%RESPONSE_FLAGS%] %LOCAL_REPLY_BODY%"}},
            }
        },
        host={"response_headers_to_add": [header_value("x-route", "%RESPONSE_FLAGS%")]},
    ),
)
