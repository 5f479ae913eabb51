"""Filters that move values between headers, bodies, addresses and metadata."""

from __future__ import annotations

from .filter_rows import (
    Row,
    get,
    header_value,
    http_filter,
    post,
)

ROWS: tuple[Row, ...] = (
    Row(
        "header mutation: query parameters",
        [
            http_filter(
                "header_mutation.v3.HeaderMutation",
                {
                    "mutations": {
                        "query_parameter_mutations": [
                            {"remove": "gone"},
                            {"append": {"record": {"key": "z", "value": "a b/%REQ(x-a)%"}}},
                            {
                                "append": {
                                    "record": {"key": "only", "value": "1"},
                                    "action": "OVERWRITE_IF_EXISTS",
                                }
                            },
                            {"append": {"record": {"key": "abs", "value": "2"}, "action": "ADD_IF_ABSENT"}},
                        ],
                        "request_mutations": [
                            {"append": header_value("x-new", "%REQ(:path)%")},
                            {"append": header_value("x-a", "over", append_action="OVERWRITE_IF_EXISTS")},
                            {"remove_on_match": {"key_matcher": {"prefix": "x-drop"}}},
                            {"append": header_value("x-empty", "%REQ(no)%")},
                            {"append": header_value("x-kept", "", keep_empty_value=True)},
                        ],
                        "response_mutations": [
                            {"append": header_value("x-res", "%RESPONSE_CODE%")},
                            {"append": header_value("x-once", "b", append_action="ADD_IF_ABSENT")},
                            {"remove": "x-up"},
                        ],
                    }
                },
            )
        ],
        [
            get("/p"),
            get(
                "/p?gone=1&b=2&a=%41x&only=9&abs=5",
                {"x-a": "v", "x-drop-me": "1"},
                headers=(("x-up", "1"), ("x-once", "a")),
            ),
            get("/p?&&x", {"x-a": "ü"}),
        ],
    ),
    Row(
        "ip tags",
        [
            http_filter(
                "ip_tagging.v3.IPTagging",
                {
                    "ip_tags": [
                        {"ip_tag_name": "lo", "ip_list": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]},
                        {"ip_tag_name": "ten", "ip_list": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]},
                    ]
                },
            )
        ],
        [get(), get("/", {"x-envoy-ip-tags": "mine"})],
    ),
    Row(
        "json to metadata, into a header",
        [
            http_filter(
                "json_to_metadata.v3.JsonToMetadata",
                {
                    "request_rules": {
                        "rules": [
                            {
                                "selectors": [{"key": "a"}, {"key": "b"}],
                                "on_present": {"metadata_namespace": "m", "key": "k"},
                                "on_missing": {"metadata_namespace": "m", "key": "k", "value": "missing"},
                                "on_error": {"metadata_namespace": "m", "key": "k", "value": "error"},
                            }
                        ]
                    }
                },
            ),
            http_filter(
                "header_mutation.v3.HeaderMutation",
                {"mutations": {"request_mutations": [{"append": header_value("x-m", "%DYNAMIC_METADATA(m:k)%")}]}},
            ),
        ],
        [
            post("/", {"content-type": "application/json"}, '{"a": {"b": "deep"}}'),
            post("/", {"content-type": "application/json"}, '{"a": {"b": 1.5}}'),
            post("/", {"content-type": "application/json"}, '{"a": {"b": true}}'),
            post("/", {"content-type": "application/json"}, '{"a": {"b": {}}}'),
            post("/", {"content-type": "application/json"}, '{"a": 1}'),
            post("/", {"content-type": "application/json"}, "not json"),
            post("/", {"content-type": "application/json"}, "[1]"),
            post("/", {"content-type": "application/json"}),
            post("/", {"content-type": "text/plain"}, "x"),
        ],
    ),
    Row(
        "header to metadata, into a header",
        [
            http_filter(
                "header_to_metadata.v3.Config",
                {
                    "request_rules": [
                        {
                            "header": "x-a",
                            "on_header_present": {"metadata_namespace": "m", "key": "k", "type": "STRING"},
                            "on_header_missing": {"metadata_namespace": "m", "key": "k", "value": "none"},
                            "remove": True,
                        },
                        {
                            "header": "x-n",
                            "on_header_present": {"metadata_namespace": "m", "key": "n", "type": "NUMBER"},
                        },
                        {
                            "header": "x-r",
                            "on_header_present": {
                                "metadata_namespace": "m",
                                "key": "r",
                                "regex_value_rewrite": {"pattern": {"regex": "^/(v[0-9]+)/.*"}, "substitution": "\\1"},
                            },
                        },
                        {"cookie": "c", "on_header_present": {"metadata_namespace": "m", "key": "c"}},
                        {
                            "header": "x-b",
                            "on_header_present": {"metadata_namespace": "m", "key": "b", "encode": "BASE64"},
                        },
                    ]
                },
            ),
            http_filter(
                "header_mutation.v3.HeaderMutation",
                {
                    "mutations": {
                        "request_mutations": [
                            {"append": header_value(f"x-m-{k}", f"%DYNAMIC_METADATA(m:{k})%")} for k in "knrcb"
                        ]
                    }
                },
            ),
        ],
        [
            get(),
            get("/", {"x-a": "1", "x-n": "12", "x-r": "/v1/x", "cookie": "c=d; e=f", "x-b": "aGk="}),
            get("/", {"x-a": "", "x-n": "1.50", "x-r": "nothing", "cookie": "c=", "x-b": "aGk"}),
            get("/", {"x-n": "abc", "x-b": "!"}),
            get("/", {"x-n": " 1e3 "}),
        ],
    ),
    Row(
        "set metadata and filter state, into a header",
        [
            http_filter(
                "set_metadata.v3.Config",
                {
                    "metadata": [
                        {"metadata_namespace": "m", "value": {"a": 1, "l": ["x"], "s": {"t": "u"}}},
                        {"metadata_namespace": "m", "value": {"a": 2}},
                        {"metadata_namespace": "m", "value": {"l": ["y"], "s": {"v": True}}, "allow_overwrite": True},
                    ]
                },
            ),
            http_filter(
                "set_filter_state.v3.Config",
                {
                    "on_request_headers": [
                        {
                            "object_key": "k",
                            "factory_key": "envoy.string",
                            "format_string": {"text_format_source": {"inline_string": "%REQ(x-a)%-%PROTOCOL%"}},
                        }
                    ]
                },
            ),
            http_filter(
                "header_mutation.v3.HeaderMutation",
                {
                    "mutations": {
                        "request_mutations": [
                            {"append": header_value("x-m", "%DYNAMIC_METADATA(m)%")},
                            {"append": header_value("x-s", "%FILTER_STATE(k:PLAIN)%")},
                        ]
                    }
                },
            ),
        ],
        [get(), get("/", {"x-a": "b"})],
    ),
)
