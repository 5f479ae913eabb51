"""Filters that change bodies: compression, gRPC over HTTP/1.1 and the web."""

from __future__ import annotations

from .filter_rows import (
    COMPRESSION,
    GZIP,
    LONG,
    TEXT,
    Row,
    get,
    http_filter,
    library,
    override,
    post,
)

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
        "compressor: an answer without body",
        [
            http_filter(
                "compressor.v3.Compressor",
                {
                    "compressor_library": library("Gzip"),
                    "response_direction_config": {"common_config": {"min_content_length": 40}},
                },
            )
        ],
        [
            get("/", GZIP, status=307, headers=(("location", "/a"),), body=""),
            get("/", GZIP, headers=TEXT, body=""),
            get("/", GZIP, status=204, body=""),
            get("/", GZIP, headers=TEXT, body=LONG),
        ],
    ),
)
