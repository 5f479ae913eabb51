"""Configurations made by hand, one subject each, for HTTP filters that random cases seldom reach.

A row: name, filters, requests, what the route has of its own. A request is what the client sends (method, path,
headers, body) and what the upstream does with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from envoysim.model.behaviour import Behaviour
from envoysim.model.request import Connection, Request

from .generate import HCM, ROUTER, Case

Json = dict[str, Any]
HTTP = "type.googleapis.com/envoy.extensions.filters.http."
EXTENSIONS = "type.googleapis.com/envoy.extensions."
COOKIE_STATE = EXTENSIONS + "http.stateful_session.cookie.v3.CookieBasedSessionState"
HEADER_STATE = EXTENSIONS + "http.stateful_session.header.v3.HeaderBasedSessionState"
LOCAL_POLICY = EXTENSIONS + "http.custom_response.local_response_policy.v3.LocalResponsePolicy"
STATUS_INPUT = "type.googleapis.com/envoy.type.matcher.v3.HttpResponseStatusCodeMatchInput"
COMPRESSION = "type.googleapis.com/envoy.extensions.compression."
ALWAYS = {"numerator": 100}
ON = {"default_value": ALWAYS}


@dataclass(frozen=True, slots=True)
class Row:
    """A case before it has ports."""

    name: str
    filters: Sequence[Json]
    requests: Sequence[Sequence[Any]]
    overrides: Json = field(default_factory=dict)
    protocol: str = "HTTP/1.1"
    manager: Json = field(default_factory=dict)
    host: Json = field(default_factory=dict)
    routes: Sequence[Json] = ()


def http_filter(kind: str, config: Json | None = None, name: str = "") -> Json:
    """An entry of ``http_filters``; its name is the second word of its type."""
    return {"name": name or kind.partition(".")[0], "typed_config": {"@type": HTTP + kind, **(config or {})}}


def override(kind: str, config: Json | None = None) -> Json:
    """A per-route configuration."""
    return {"@type": HTTP + kind, **(config or {})}


def library(name: str) -> Json:
    """A compressor library: Gzip, Brotli or Zstd."""
    kind = f"{COMPRESSION}{name.lower()}.compressor.v3.{name}"
    return {"name": name.lower(), "typed_config": {"@type": kind}}


def header_value(name: str, value: str, **more: Any) -> Json:
    """A ``HeaderValueOption``."""
    return {"header": {"key": name, "value": value}, **more}


def matcher(name: str, value: str, action: Json) -> Json:
    """A matcher on one request header."""
    wanted = {"@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": name}
    predicate = {"input": {"name": "i", "typed_config": wanted}, "value_match": {"exact": value}}
    on_match = {"action": {"name": "a", "typed_config": action}}
    return {"matcher_list": {"matchers": [{"predicate": {"single_predicate": predicate}, "on_match": on_match}]}}


def get(path: str = "/", sent: Mapping[str, str] | None = None, /, **behaviour: Any) -> tuple[Any, ...]:
    """A GET with headers, and what the upstream does with it."""
    return ("GET", path, sent or {}, "", behaviour)


def post(
    path: str = "/", sent: Mapping[str, str] | None = None, text: str = "", /, **behaviour: Any
) -> tuple[Any, ...]:
    """A POST with headers and body, and what the upstream does with it."""
    return ("POST", path, sent or {}, text, behaviour)


TEXT = (("content-type", "text/plain"),)
LONG = "x" * 60
GZIP = {"accept-encoding": "gzip"}
SKIP = {"@type": "type.googleapis.com/envoy.extensions.filters.common.matcher.action.v3.SkipFilter"}
LUCKY = http_filter("fault.v3.HTTPFault", {"abort": {"http_status": 418, "percentage": ALWAYS}})


def execute(name: str, config: Json) -> Json:
    """A composite filter's action."""
    kind = HTTP + "composite.v3.ExecuteFilterAction"
    return {"@type": kind, "typed_config": {"name": name, "typed_config": config}}


def delegated(inner: Json, tree: Json, name: str = "delegate") -> Json:
    """A filter behind a matcher."""
    kind = "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher"
    return {"name": name, "typed_config": {"@type": kind, "extension_config": inner, "xds_matcher": tree}}


MUTATE = {
    "@type": HTTP + "header_mutation.v3.HeaderMutation",
    "mutations": {
        "request_mutations": [{"append": header_value("x-composed", "1")}],
        "response_mutations": [{"append": header_value("x-answered", "1")}],
    },
}


def limited(path: str, action: Json, **fields: Any) -> Json:
    """A route to ``c0`` with a rate limit of one action."""
    route = {"cluster": "c0", "rate_limits": [{"actions": [action]}], **fields}
    return {"name": path[1:], "match": {"path": path}, "route": route}


def cel_tree() -> Json:
    """Answers from 501 to 511 get another body: what gateways make of a range of codes."""

    def compared(function: str, code: str) -> Json:
        operand = {"select_expr": {"operand": {"ident_expr": {"name": "response"}}, "field": "code"}}
        return {"call_expr": {"function": function, "args": [operand, {"const_expr": {"int64_value": code}}]}}

    both = {"call_expr": {"function": "_&&_", "args": [compared("_>=_", "501"), compared("_<=_", "511")]}}
    matcher = {"@type": "type.googleapis.com/xds.type.matcher.v3.CelMatcher"}
    source = {"@type": "type.googleapis.com/xds.type.matcher.v3.HttpAttributesCelMatchInput"}
    predicate = {
        "input": {"name": "i", "typed_config": source},
        "custom_match": {"name": "c", "typed_config": {**matcher, "expr_match": {"cel_expr_parsed": {"expr": both}}}},
    }
    policy = {"@type": LOCAL_POLICY, "status_code": 418, "body": {"inline_string": "replaced"}}
    on_match = {"action": {"name": "a", "typed_config": policy}}
    return {"matcher_list": {"matchers": [{"predicate": {"single_predicate": predicate}, "on_match": on_match}]}}


ROWS: tuple[Row, ...] = (
    Row(
        "compressor",
        [http_filter("compressor.v3.Compressor", {"compressor_library": library("Gzip")})],
        [
            get("/", headers=TEXT, body="short"),
            get("/a", GZIP, headers=(*TEXT, ("content-length", "29")), body="x" * 29),
            get("/a", {"accept-encoding": "br"}, headers=TEXT, body=LONG),
            get("/a", {"accept-encoding": "gzip;q=0, *"}, headers=TEXT, body=LONG),
            get("/a", GZIP, headers=(("content-type", "image/png"),), body=LONG),
            get("/a", GZIP, headers=(*TEXT, ("cache-control", "no-transform")), body=LONG),
            get("/a", GZIP, headers=(*TEXT, ("content-encoding", "br")), body=LONG),
            get("/a", {}, headers=(*TEXT, ("vary", "Origin")), body=LONG),
            get("/a", {}, headers=(*TEXT, ("vary", "Accept-Encoding")), body=LONG),
            get("/a", {}, status=204),
            ("HEAD", "/", {}, "", {"headers": (*TEXT, ("content-length", "100"))}),
        ],
    ),
    Row(
        "compressor: status header, etag, codes",
        [
            http_filter(
                "compressor.v3.Compressor",
                {
                    "compressor_library": library("Brotli"),
                    "response_direction_config": {
                        "status_header_enabled": True,
                        "disable_on_etag_header": True,
                        "uncompressible_response_codes": [206],
                        "remove_accept_encoding_header": True,
                    },
                },
            )
        ],
        [
            get("/", {"accept-encoding": "gzip"}, headers=TEXT, body=LONG),
            get("/", {"accept-encoding": "x"}, headers=TEXT, body="short"),
            get("/", {}, headers=(*TEXT, ("etag", '"1"')), body=LONG),
            get("/", {}, status=206, headers=TEXT, body=LONG),
            get("/", {}, headers=(("content-type", "image/png"),), body=LONG),
        ],
    ),
    Row(
        "compressor per route",
        [
            http_filter(
                "compressor.v3.Compressor",
                {
                    "compressor_library": library("Zstd"),
                    "response_direction_config": {
                        "common_config": {"enabled": {"default_value": False, "runtime_key": "x"}}
                    },
                },
            )
        ],
        [get("/", {}, headers=TEXT, body=LONG), get("/", {"accept-encoding": "br"}, headers=TEXT, body=LONG)],
        {"compressor": override("compressor.v3.CompressorPerRoute", {"overrides": {"response_direction_config": {}}})},
    ),
    Row(
        "decompressor",
        [
            http_filter(
                "decompressor.v3.Decompressor",
                {
                    "decompressor_library": {
                        "name": "gzip",
                        "typed_config": {"@type": COMPRESSION + "gzip.decompressor.v3.Gzip"},
                    }
                },
            )
        ],
        [get(), get("/", GZIP), get("/", {"accept-encoding": "br, gzip;q=0.5"})],
    ),
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
        "grpc-web",
        [http_filter("grpc_web.v3.GrpcWeb")],
        [
            post("/a.B/C", {"content-type": "application/grpc-web"}),
            post("/a.B/C", {"content-type": "application/grpc-web+proto", "accept": "application/grpc-web-text"}),
            post("/a.B/C", {"content-type": "application/grpc-web; a=b"}),
            post("/a.B/C", {"content-type": "application/grpc-web-text"}, "AAAA", status=503, body="not so"),
            post("/a.B/C", {"content-type": "application/grpc-web"}, grpc_status=5),
            post("/a.B/C", {"content-type": "application/grpc-web"}, status=404),
            post("/a.B/C", {"content-type": "application/grpc-web"}, action="reset"),
            post("/none", {"content-type": "application/grpc-web"}),
        ],
    ),
    Row(
        "grpc http1 bridge",
        [
            http_filter(
                "grpc_http1_bridge.v3.Config", {"upgrade_protobuf_to_grpc": True, "ignore_query_parameters": True}
            )
        ],
        [
            post("/a.B/C?x=1", {"content-type": "application/grpc"}, "12345"),
            post("/a.B/C?x=1", {"content-type": "application/json"}, "12345"),
            post("/a.B/C", {"content-type": "application/grpc"}, "12345", grpc_status=7),
            get("/a"),
        ],
    ),
    Row(
        "grpc http1 reverse bridge",
        [
            http_filter(
                "grpc_http1_reverse_bridge.v3.FilterConfig",
                {"content_type": "application/x-protobuf", "withhold_grpc_frames": True},
            )
        ],
        [
            post("/a.B/C", {"content-type": "application/grpc"}, "12345hello"),
            post("/a.B/C", {"content-type": "application/grpc"}),
            post("/a.B/C", {"content-type": "application/json"}, "12345hello"),
            post("/a.B/C", {"content-type": "application/grpc"}, "12345hello", headers=TEXT, body="no"),
        ],
    ),
    Row(
        "match delegate",
        [delegated(LUCKY, matcher("x-a", "skip", SKIP))],
        [get(), get("/", {"x-a": "skip"}), get("/", {"x-a": "other"})],
    ),
    Row(
        "composite behind a matcher",
        [
            delegated(
                http_filter("composite.v3.Composite"), matcher("x-a", "go", execute("lucky", LUCKY["typed_config"]))
            )
        ],
        [get(), get("/", {"x-a": "go"}), get("/", {"x-a": "stop"})],
    ),
    Row(
        "stateful session: cookie",
        [
            http_filter(
                "stateful_session.v3.StatefulSession",
                {
                    "session_state": {
                        "name": "envoy.http.stateful_session.cookie",
                        "typed_config": {
                            "@type": COOKIE_STATE,
                            "cookie": {"name": "s", "path": "/in"},
                        },
                    }
                },
            )
        ],
        [get("/in"), get("/in/a"), get("/inside"), get("/out"), get("/in", {"cookie": "s=AAAA"})],
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
        "stateful session: header",
        [
            http_filter(
                "stateful_session.v3.StatefulSession",
                {
                    "session_state": {
                        "name": "envoy.http.stateful_session.header",
                        "typed_config": {"@type": HEADER_STATE, "name": "x-session"},
                    },
                    "strict": True,
                },
            )
        ],
        [
            get(),
            get("/", {"x-session": "MTI3LjAuMC4xOjE="}),
            get("/", {"x-session": "!"}),
            get("/", {}, headers=(("x-session", "upstream's"),)),
        ],
    ),
    Row(
        "two compressors",
        [
            http_filter("compressor.v3.Compressor", {"compressor_library": library("Gzip")}, "first"),
            http_filter("compressor.v3.Compressor", {"compressor_library": library("Brotli")}, "second"),
        ],
        [
            get("/", {"accept-encoding": "deflate"}, headers=TEXT, body=LONG),
            get("/", {}, headers=TEXT, body=LONG),
        ],
    ),
    Row(
        "composite: a chain of filters, per route",
        [http_filter("composite.v3.Composite")],
        [get(), get("/", {"x-a": "go"})],
        {
            "composite": override(
                "composite.v3.CompositePerRoute",
                {
                    "matcher": matcher(
                        "x-a",
                        "go",
                        {
                            "@type": HTTP + "composite.v3.ExecuteFilterAction",
                            "filter_chain": {
                                "typed_config": [
                                    {"name": "m", "typed_config": MUTATE},
                                    {"name": "f", "typed_config": LUCKY["typed_config"]},
                                ]
                            },
                        },
                    )
                },
            )
        },
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
    Row(
        "custom response: a CEL expression on the code",
        [http_filter("custom_response.v3.CustomResponse", {"custom_response_matcher": cel_tree()})],
        [get("/", {}, status=code, headers=TEXT, body="own") for code in (500, 501, 511, 404, 200)]
        + [get("/", {}, action="reset"), get("/none"), post("/", {"content-type": "application/grpc"}, action="reset")],
    ),
)
"""The cases. Every one of them has been played on both sides."""


def make_case(row: Row, port: int, endpoint_ports: Sequence[int]) -> Case:
    """Give a row its ports; requests go to the first of the clusters ``c0``, ``c1``, ..."""
    clusters = []
    for index, endpoint_port in enumerate(endpoint_ports):
        address = {"socket_address": {"address": "127.0.0.1", "port_value": endpoint_port}}
        endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
        clusters.append({"name": f"c{index}", "load_assignment": {"cluster_name": f"c{index}", "endpoints": endpoints}})
    route = {
        "name": "r",
        "match": {"prefix": "/"},
        "route": {"cluster": "c0"},
        "typed_per_filter_config": dict(row.overrides),
    }
    none = {"name": "none", "match": {"prefix": "/none"}, "direct_response": {"status": 404}}
    hcm = {
        "@type": HCM,
        "stat_prefix": "in",
        "route_config": {
            "name": "rc",
            "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [*row.routes, none, route], **row.host}],
        },
        "http_filters": [*row.filters, {"name": "router", "typed_config": ROUTER}],
        **row.manager,
    }
    listener = {
        "name": "l0",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"name": "only", "filters": [{"name": "hcm", "typed_config": hcm}]}],
    }
    bootstrap = {
        "node": {"id": "n", "cluster": "nc"},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }
    requests = tuple(_request(i, asked, port, row.protocol) for i, asked in enumerate(row.requests))
    return Case(0, bootstrap, requests, tuple(f"127.0.0.1:{p}" for p in endpoint_ports))


def _request(index: int, asked: Sequence[Any], port: int, protocol: Any) -> Request:
    method, path, headers, body, behaviour = asked
    return Request(
        id=str(index),
        connection=Connection(listener="l0", destination=f"127.0.0.1:{port}", protocol=protocol),
        method=method,
        authority="foo.com",
        path=path,
        headers=tuple(headers.items()),
        body=body,
        upstream=(Behaviour(**behaviour),) if behaviour else (),
    )
