"""Filters random routes seldom meet, in random company, with per-route configurations; local reply mappers."""

from __future__ import annotations

from .build import Behaviour, Bench, Json, http_filter, route, some_headers, words

KEY = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ"  # "secret-secret-secret-secret-1234"
JWKS = '{"keys":[{"kty":"oct","kid":"k","alg":"HS256","k":"' + KEY + '"}]}'
USER_HASH = "user:{SHA}2kuSN7rMzfGcB2DKt67EqDWQELA="  # user / test1... any other password is wrong


def _token(**claims: object) -> str:
    import base64
    import hashlib
    import hmac
    import json

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed = part(b'{"alg":"HS256","kid":"k"}') + "." + part(json.dumps(claims).encode())
    key = base64.urlsafe_b64decode(KEY + "=")
    return signed + "." + part(hmac.new(key, signed.encode(), hashlib.sha256).digest())


TOKENS = (
    _token(iss="i", sub="s", aud="a", exp=4102444800, role="admin", n=3),
    _token(iss="i", sub="s", aud=["b", "c"], exp=4102444800),
    _token(iss="i", exp=1000000000, aud="a"),
    _token(iss="other", aud="a", exp=4102444800),
    _token(iss="i", aud="a", nbf=4102444800),
    "not.a.token",
    _token(iss="i", aud="a", exp=4102444800)[:-4] + "AAAA",
)


def _jwt(bench: Bench) -> Json:
    provider: Json = {"issuer": "i", "local_jwks": {"inline_string": JWKS}}
    if bench.chance(0.5):
        provider["audiences"] = ["a"]
    if bench.chance(0.4):
        provider["forward"] = True
    if bench.chance(0.4):
        provider["claim_to_headers"] = [{"header_name": "x-role", "claim_name": bench.one("role", "n", "aud", "none")}]
    if bench.chance(0.3):
        provider["forward_payload_header"] = "x-payload"
    if bench.chance(0.3):
        provider["from_params"] = ["t"]
    rule: Json = bench.one(
        {"provider_name": "p"},
        {"requires_any": {"requirements": [{"provider_name": "p"}, {"allow_missing": {}}]}},
        {"requires_any": {"requirements": [{"provider_name": "p"}, {"allow_missing_or_failed": {}}]}},
        {"requires_all": {"requirements": [{"provider_name": "p"}, {"provider_name": "p"}]}},
        {"provider_and_audiences": {"provider_name": "p", "audiences": ["b"]}},
    )
    rules = [{"match": {"prefix": bench.one("/", "/a", "/b")}, "requires": rule}]
    return http_filter("jwt_authn.v3.JwtAuthentication", {"providers": {"p": provider}, "rules": rules})


def _local_ratelimit(bench: Bench) -> Json:
    bucket = {"max_tokens": bench.one(1, 3, 8), "tokens_per_fill": 1, "fill_interval": "100s"}
    config: Json = {
        "stat_prefix": "r",
        "token_bucket": bucket,
        "filter_enabled": {"default_value": {"numerator": 100}},
        "filter_enforced": {"default_value": {"numerator": bench.one(100, 100, 0)}},
    }
    if bench.chance(0.3):
        config["enable_x_ratelimit_headers"] = "DRAFT_VERSION_03"
    if bench.chance(0.3):
        config["status"] = {"code": bench.one(503, 409, 429)}
    if bench.chance(0.3):
        config["response_headers_to_add"] = words.header_value_options(bench.rng)[:1]
    if bench.chance(0.5):
        config["descriptors"] = [
            {
                "entries": [{"key": "generic_key", "value": "g"}],
                "token_bucket": {**bucket, "max_tokens": bench.one(1, 2)},
            },
        ]
    return http_filter("local_ratelimit.v3.LocalRateLimit", config)


def _compressor(bench: Bench) -> Json:
    library = "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip"
    return http_filter(
        "compressor.v3.Compressor", {"compressor_library": {"name": "gzip", "typed_config": {"@type": library}}}
    )


def _csrf(bench: Bench) -> Json:
    config: Json = {"filter_enabled": {"default_value": {"numerator": bench.one(100, 100, 0)}}}
    if bench.chance(0.5):
        config["additional_origins"] = [{"suffix": "good.com"}]
    return http_filter("csrf.v3.CsrfPolicy", config)


def _header_to_metadata(bench: Bench) -> Json:
    rule: Json = {
        "header": bench.one("x-a", "x-b"),
        "on_header_present": {"metadata_namespace": "ns", "key": "k", "type": "STRING"},
    }
    if bench.chance(0.5):
        rule["on_header_missing"] = {"metadata_namespace": "ns", "key": "k", "value": "none"}
    if bench.chance(0.3):
        rule["remove"] = True
    if bench.chance(0.3):
        rule["on_header_present"]["regex_value_rewrite"] = {"pattern": {"regex": "(a)(.*)"}, "substitution": r"\2\1"}
    return http_filter("header_to_metadata.v3.Config", {"request_rules": [rule]})


def _metadata_rbac(bench: Bench) -> Json:
    matcher = {
        "filter": "ns",
        "path": [{"key": "k"}],
        "value": {"string_match": {bench.one("exact", "prefix"): bench.one("a", "none")}},
    }
    permission: Json = {"metadata": matcher}
    policies = {"p": {"permissions": [permission], "principals": [{"any": True}]}}
    return http_filter("rbac.v3.RBAC", {"rules": {"action": bench.one("ALLOW", "DENY"), "policies": policies}})


def _set_metadata(bench: Bench) -> Json:
    entries = [{"metadata_namespace": "ns", "value": {"k": bench.one("a", "b")}, "allow_overwrite": bench.chance(0.5)}]
    return http_filter("set_metadata.v3.Config", {"metadata": entries})


def _basic_auth(bench: Bench) -> Json:
    config: Json = {"users": {"inline_string": USER_HASH}}
    if bench.chance(0.4):
        config["forward_username_header"] = "x-user"
    return http_filter("basic_auth.v3.BasicAuth", config)


def _api_key(bench: Bench) -> Json:
    source = bench.one({"header": "x-key"}, {"query": "key"}, {"cookie": "key"})
    config: Json = {"credentials": [{"key": "k1", "client": "one"}], "key_sources": [source]}
    if bench.chance(0.5):
        config["forwarding"] = {"header": "x-client", "hide_credentials": bench.chance(0.5)}
    return http_filter("api_key_auth.v3.ApiKeyAuth", config)


def _health_check(bench: Bench) -> Json:
    headers = [{"name": ":path", "string_match": {"exact": "/a"}}]
    return http_filter("health_check.v3.HealthCheck", {"pass_through_mode": bench.chance(0.4), "headers": headers})


def _header_mutation(bench: Bench) -> Json:
    def one() -> Json:
        removed, added = bench.one(*words.HEADERS), words.header_value_options(bench.rng)[0]
        mutation: Json = bench.one({"remove": removed}, {"append": added})
        return mutation

    sides = {side: [one(), one()] for side in ("request_mutations", "response_mutations")}
    return http_filter("header_mutation.v3.HeaderMutation", {"mutations": sides})


def _fault(bench: Bench) -> Json:
    abort = {"http_status": bench.one(418, 503), "percentage": {"numerator": 100}}
    return http_filter("fault.v3.HTTPFault", {"abort": abort, "headers": [words.header_matcher(bench.rng)]})


def _buffer(bench: Bench) -> Json:
    return http_filter("buffer.v3.Buffer", {"max_request_bytes": bench.one(2, 100)})


def _grpc_web(bench: Bench) -> Json:
    return http_filter("grpc_web.v3.GrpcWeb")


FILTERS = (
    _jwt,
    _local_ratelimit,
    _compressor,
    _csrf,
    _header_to_metadata,
    _metadata_rbac,
    _set_metadata,
    _basic_auth,
    _api_key,
    _health_check,
    _header_mutation,
    _fault,
    _buffer,
    _grpc_web,
)


def _override(bench: Bench, filters: list[Json]) -> Json:
    """Turn a filter off on a route, or give it another configuration of its own kind."""
    entry = bench.one(*filters)
    kind = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
    off = {"@type": kind, "disabled": True}
    name = entry["name"]
    if name in ("fault", "csrf", "local_ratelimit") and bench.chance(0.6):
        made = {"fault": _fault, "csrf": _csrf, "local_ratelimit": _local_ratelimit}[name](bench)
        return {name: made["typed_config"]}
    if name == "buffer" and bench.chance(0.6):
        return {
            name: {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
                "disabled": True,
            }
        }
    return {name: off}


def _local_replies(bench: Bench) -> Json:
    def filter_() -> Json:
        chosen: Json = bench.one(
            {
                "status_code_filter": {
                    "comparison": {
                        "op": bench.one("EQ", "GE", "LE"),
                        "value": {"default_value": bench.one(404, 403, 503), "runtime_key": "k"},
                    }
                }
            },
            {"header_filter": {"header": words.header_matcher(bench.rng)}},
            {"response_flag_filter": {"flags": [bench.one("NR", "FI", "UAEX", "RL", "UF")]}},
            {"not_health_check_filter": {}},
        )
        return chosen

    mappers = []
    for _ in range(bench.one(0, 1, 2)):
        mapper: Json = {"filter": filter_()}
        if bench.chance(0.3):
            mapper["filter"] = {bench.one("and_filter", "or_filter"): {"filters": [filter_(), filter_()]}}
        if bench.chance(0.5):
            mapper["status_code"] = bench.one(200, 404, 500)
        if bench.chance(0.4):
            mapper["body"] = {"inline_string": "mapped"}
        if bench.chance(0.4):
            mapper["body_format_override"] = {
                "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY% %RESPONSE_CODE% %REQ(x-a)%\n"}
            }
        if bench.chance(0.4):
            mapper["headers_to_add"] = words.header_value_options(bench.rng)
        mappers.append(mapper)
    config: Json = {"mappers": mappers}
    if bench.chance(0.5):
        config["body_format"] = bench.one(
            {"text_format_source": {"inline_string": "%RESPONSE_CODE_DETAILS%: %LOCAL_REPLY_BODY%"}},
            {"json_format": {"code": "%RESPONSE_CODE%", "text": "%LOCAL_REPLY_BODY%", "n": {"p": "%REQ(:path)%"}}},
            {"text_format_source": {"inline_string": "<%RESPONSE_CODE%>"}, "content_type": "text/html; charset=UTF-8"},
        )
    return config


def _send(bench: Bench, destination: str) -> None:
    headers = list(some_headers(bench.rng, 2))
    path = bench.one("/a", "/b", "/a/b", "/direct", "/none")
    for pair, share in (
        (("authorization", f"Bearer {bench.one(*TOKENS)}"), 0.4),
        (("authorization", bench.one("Basic dXNlcjp0ZXN0", "Basic dXNlcjpiYWQ=", "Basic bad")), 0.15),
        (("x-key", bench.one("k1", "k2")), 0.2),
        (("cookie", bench.one("key=k1", "key=k2")), 0.1),
        (("origin", bench.one("http://foo.com", "http://good.com", "http://bad.com")), 0.25),
        (("accept-encoding", "gzip"), 0.2),
        (("content-type", bench.one("application/grpc", "application/grpc-web", "text/plain")), 0.15),
    ):
        if bench.chance(share):
            headers.append(pair)
    if bench.chance(0.2):
        path += bench.one("?key=k1", f"?t={TOKENS[0]}", "?key=x&q=1")
    upstream: tuple[Behaviour, ...] = ()
    if bench.chance(0.2):
        upstream = (Behaviour(status=bench.one(200, 404, 503), headers=(("content-type", "text/plain"),), body="up"),)
    bench.send(
        destination,
        path=path,
        method=bench.one("GET", "GET", "POST", "PUT", "OPTIONS", "HEAD"),
        headers=tuple(headers),
        upstream=upstream,
        protocol=bench.one("HTTP/1.1", "HTTP/1.1", "HTTP/2"),
    )


def make(bench: Bench) -> None:
    """One to four filters before the router, often with a local reply configuration."""
    bench.cluster("c0")
    chosen = bench.rng.sample(FILTERS, bench.one(1, 2, 3, 4))
    filters = [make_filter(bench) for make_filter in chosen]
    limits = [{"actions": [{"generic_key": {"descriptor_value": "g"}}]}]
    fields: Json = {"typed_per_filter_config": _override(bench, filters)} if bench.chance(0.5) else {}
    routes: list[Json] = [
        route("a", {"prefix": "/a"}, "c0", action={"rate_limits": limits} if bench.chance(0.5) else {}, **fields),
        {
            "name": "direct",
            "match": {"path": "/direct"},
            "direct_response": {"status": 200, "body": {"inline_string": "d"}},
        },
        route(
            "b",
            {"prefix": "/b"},
            "c0",
            request_headers_to_add=[{"header": {"key": "x-md", "value": "%DYNAMIC_METADATA(ns:k)%"}}],
        ),
    ]
    manager: Json = {"local_reply_config": _local_replies(bench)} if bench.chance(0.6) else {}
    destination = bench.serve(routes, filters, **manager)
    for _ in range(40):
        _send(bench, destination)
