"""Route actions: clusters, rewrites, redirects, direct responses, header mutations, internal redirects."""

from __future__ import annotations

from ..build import TYPE, Bench
from .row import Behaviour, Json, Part, Row, ask, direct, option, redirect, route

OVER = "OVERWRITE_IF_EXISTS_OR_ADD"
GRPC = {"content-type": "application/grpc"}
HOSTS = ("foo.com", "foo.com:80", "foo.com:443", "foo.com:8080", "[::1]:80")


def redirects(name: str, action: Json, match: Json | None = None) -> Row:
    asked = [
        ask(p, {"x-forwarded-proto": s}, authority=a)
        for p in ("/p/x?q=1", "/p")
        for s in ("http", "https")
        for a in HOSTS
    ]
    return Row(
        f"redirect {name}",
        [*asked, ask("/p/x", method="POST", body="x"), ask("/p", GRPC)],
        routes=[redirect("r", match or {"prefix": "/p"}, action)],
    )


def rewrites(name: str, action: Json, match: Json | None = None) -> Row:
    paths = ("/p", "/p/", "/p/x", "/pq?z=/p", "/P/x", "/p/p/x?a=b", "/p//x", "/p?x")
    return Row(
        f"rewrite {name}",
        [ask(p, {"x-h": "by.header"}) for p in paths] + [ask("/p/x")],
        routes=[route("r", match or {"prefix": "/p"}, action=action)],
    )


def levels(name: str, **table: object) -> Row:
    def at(level: str) -> Json:
        return {
            f"{side}_headers_to_add": [
                option("x-over", level, OVER),
                option("x-append", level),
                option("x-absent", level, "ADD_IF_ABSENT"),
                option("x-if", level, "OVERWRITE_IF_EXISTS"),
                option("user-agent", level),
                option("x-empty", "%REQ(x-none)%"),
                option("x-kept", "%REQ(x-none)%", keep_empty_value=True),
                option("x-seen", "%REQ(x-over)%|%REQ(x-gone)%"),
            ]
            for side in ("request", "response")
        } | {f"{side}_headers_to_remove": ["x-gone", f"x-{level}"] for side in ("request", "response")}

    weighted = {"clusters": [{"name": "c0", "weight": 1, **at("weighted")}]}
    sent = {"x-if": "old", "x-gone": "1", "x-route": "1", "x-over": "old", "user-agent": "ua"}
    answered = Behaviour(
        headers=(("x-if", "old"), ("x-gone", "1"), ("x-host", "1"), ("x-append", "up"), ("server", "up"))
    )
    return Row(
        f"mutations {name}",
        [ask("/", sent, up=answered), ask("/"), ask("/d", sent), ask("/nc", sent), ask("/r")],
        routes=[
            direct("d", {"prefix": "/d"}, **{k: v for k, v in at("route").items() if k.startswith("response")}),
            route("nc", {"prefix": "/nc"}, "none", **at("route")),
            redirect(
                "r",
                {"prefix": "/r"},
                {"https_redirect": True},
                **{k: v for k, v in at("route").items() if k.startswith("response")},
            ),
            route("w", {"prefix": "/"}, action={"weighted_clusters": weighted}, **at("route")),
        ],
        host=at("host"),
        table={**at("table"), **table},
    )


def moved(to: str, status: int = 302, *more: Behaviour) -> tuple[Behaviour, ...]:
    return (
        Behaviour(status=status, headers=(("location", to), ("x-copy", "1")), body=""),
        *(more or (Behaviour(body="end"),)),
    )


NOWHERE = {"domains": ["foo.com"]}


def follows(name: str, policy: Json, *requests: Json) -> Row:
    return Row(
        f"internal redirect {name}",
        requests,
        routes=[
            direct("d", {"prefix": "/direct"}),
            route(
                "r",
                {"prefix": "/r"},
                action={"internal_redirect_policy": policy},
                response_headers_to_add=[option("x-taken", "r"), option("x-name", "%ROUTE_NAME%")],
            ),
            route(
                "other",
                {"prefix": "/other"},
                "c1",
                action={"internal_redirect_policy": policy},
                response_headers_to_add=[option("x-route", "%ROUTE_NAME%")],
            ),
        ],
        host=NOWHERE,
    )


def _clusters(bench: Bench) -> None:
    canary = {"filter_metadata": {"envoy.lb": {"canary": True}}}
    bench.cluster("canary", localities=[{"lb_endpoints": [{**bench.endpoint("canary"), "metadata": canary}]}])
    bench.cluster(
        "degraded", localities=[{"lb_endpoints": [{**bench.endpoint("degraded"), "health_status": "DEGRADED"}]}]
    )
    bench.cluster("named", localities=[{"lb_endpoints": [_named(bench, "named")]}])
    bench.cluster("maintained")
    bench.cluster("dropping")
    bench.clusters[-1]["load_assignment"]["policy"] = {
        "drop_overloads": [{"category": "all", "drop_percentage": {"numerator": 100}}]
    }
    bench.cluster("empty", endpoints=0)


def _named(bench: Bench, cluster: str) -> Json:
    made = bench.endpoint(cluster)
    made["endpoint"]["hostname"] = "end.point"
    return made


NUMBERS = ("0", "1", "2", "4", "5", "6", "-1", "x", "18446744073709551615", "18446744073709551616", "", "007", " 2")
WEIGHTS: Json = {"clusters": [{"name": "c0", "weight": 2}, {"name": "c1", "weight": 3}], "header_name": "x-n"}
CLUSTERS = Part(
    "actions: clusters",
    (
        Row(
            "not found",
            [
                ask(f"/{c}", h)
                for c in ("SERVICE_UNAVAILABLE", "NOT_FOUND", "INTERNAL_SERVER_ERROR")
                for h in ({}, GRPC)
            ],
            routes=[
                route(c, {"prefix": f"/{c}"}, "none", action={"cluster_not_found_response_code": c})
                for c in ("SERVICE_UNAVAILABLE", "NOT_FOUND", "INTERNAL_SERVER_ERROR")
            ],
        ),
        Row(
            "by header",
            [ask("/", h) for h in ({}, {"x-c": ""}, {"x-c": "c1"}, {"x-c": "none"}, (("x-c", "c1"), ("x-c", "c0")))]
            + [ask("/auth", authority="c1")],
            routes=[
                route("a", {"prefix": "/auth"}, action={"cluster_header": ":authority"}),
                route("h", {"prefix": "/"}, action={"cluster_header": "x-c"}),
            ],
        ),
        Row(
            "weights by header",
            [
                ask("/", {"x-n": n})
                for n in NUMBERS
                if n in ("0", "1", "2", "4", "5", "6", "007", " 2", "18446744073709551615")
            ],
            routes=[route("w", {"prefix": "/"}, action={"weighted_clusters": WEIGHTS})],
        ),
        Row(
            "weights of nothing",
            [ask(), ask()],
            routes=[
                route(
                    "w",
                    {"prefix": "/"},
                    action={
                        "weighted_clusters": {
                            "clusters": [
                                {"name": "c0", "weight": 0},
                                {"name": "c1", "weight": 1, "host_rewrite_literal": "w.com"},
                            ]
                        }
                    },
                )
            ],
        ),
        Row(
            "weights by runtime",
            [ask(), ask()],
            routes=[
                route(
                    "w",
                    {"prefix": "/"},
                    action={
                        "weighted_clusters": {
                            "runtime_key_prefix": "rt",
                            "clusters": [{"name": "c0", "weight": 0}, {"name": "c1", "weight": 100}],
                        }
                    },
                )
            ],
        ),
        Row(
            "weights with cluster headers",
            [ask("/", {"x-c": "c1"}), ask()],
            routes=[
                route(
                    "w",
                    {"prefix": "/"},
                    action={"weighted_clusters": {"clusters": [{"cluster_header": "x-c", "weight": 1}]}},
                )
            ],
        ),
        Row(
            "hosts",
            [ask(f"/{c}", h) for c in ("canary", "degraded", "maintained", "dropping", "empty") for h in ({}, GRPC)],
            routes=[
                route(c, {"prefix": f"/{c}"}, c) for c in ("canary", "degraded", "maintained", "dropping", "empty")
            ],
        ),
        Row(
            "attempt counts",
            [ask(), ask(up=(Behaviour(status=503), Behaviour())), ask("/", {"x-envoy-attempt-count": "9"})],
            routes=[route("r", {"prefix": "/"}, action={"retry_policy": {"retry_on": "5xx"}})],
            host={"include_request_attempt_count": True, "include_attempt_count_in_response": True},
        ),
        Row(
            "non forwarding",
            [ask("/nf")],
            routes=[{"name": "nf", "match": {"prefix": "/nf"}, "non_forwarding_action": {}}],
        ),
    ),
    {"upstream.maintenance_mode.maintained": 100, "rt.c0": 100, "rt.c1": 0},
    _clusters,
)
REWRITES = Part(
    "actions: rewrites",
    (
        rewrites("prefix to slash", {"prefix_rewrite": "/"}),
        rewrites("prefix", {"prefix_rewrite": "/new"}),
        rewrites("prefix with a slash", {"prefix_rewrite": "/"}, {"prefix": "/p/"}),
        rewrites("caseless prefix", {"prefix_rewrite": "/n"}, {"prefix": "/P", "case_sensitive": False}),
        rewrites("separated", {"prefix_rewrite": "/"}, {"path_separated_prefix": "/p"}),
        rewrites("separated to text", {"prefix_rewrite": "/n"}, {"path_separated_prefix": "/p"}),
        rewrites("path", {"prefix_rewrite": "/n"}, {"path": "/p"}),
        rewrites("regex route", {"prefix_rewrite": "/n"}, {"safe_regex": {"regex": "/p.*"}}),
        rewrites("regex", {"regex_rewrite": {"pattern": {"regex": "p"}, "substitution": r"<\0>"}}),
        rewrites("regex groups", {"regex_rewrite": {"pattern": {"regex": "^/p/?([^/]*)"}, "substitution": r"/n/\1"}}),
        rewrites("regex without match", {"regex_rewrite": {"pattern": {"regex": "zzz"}, "substitution": "y"}}),
        rewrites("regex to nothing", {"regex_rewrite": {"pattern": {"regex": ".*"}, "substitution": ""}}),
        rewrites("host", {"host_rewrite_literal": "new.com"}),
        rewrites("host by header", {"host_rewrite_header": "x-h", "append_x_forwarded_host": True}),
        rewrites(
            "host by path",
            {
                "host_rewrite_path_regex": {"pattern": {"regex": "^/p/(.+)"}, "substitution": r"\1.com"},
                "prefix_rewrite": "/z",
            },
        ),
        rewrites(
            "host of the endpoint", {"auto_host_rewrite": True, "append_x_forwarded_host": True, "cluster": "named"}
        ),
        rewrites("host of an address", {"auto_host_rewrite": True, "append_x_forwarded_host": True}),
        rewrites("same host", {"host_rewrite_literal": "foo.com", "append_x_forwarded_host": True}),
    ),
    prepare=_clusters,
)
REDIRECTS = Part(
    "actions: redirects",
    (
        redirects("empty", {}),
        redirects("https", {"https_redirect": True}),
        redirects("scheme", {"scheme_redirect": "http"}),
        redirects("host", {"host_redirect": "n.com"}),
        redirects("host with port", {"host_redirect": "n.com:99", "port_redirect": 80}),
        redirects("port", {"port_redirect": 8443}),
        redirects("https port", {"https_redirect": True, "port_redirect": 443}),
        redirects("path", {"path_redirect": "/n"}),
        redirects("path with query", {"path_redirect": "/n?x=y"}),
        redirects("strip", {"path_redirect": "/n?x=y", "strip_query": True}),
        redirects("strip alone", {"strip_query": True}),
        redirects("prefix", {"prefix_rewrite": "/new"}),
        redirects("regex", {"regex_rewrite": {"pattern": {"regex": "^/p/(.*)"}, "substitution": r"/\1/end"}}),
        redirects("regex route", {"prefix_rewrite": "/new"}, {"safe_regex": {"regex": "/p.*"}}),
        *(
            redirects(code, {"https_redirect": True, "response_code": code})
            for code in ("FOUND", "SEE_OTHER", "TEMPORARY_REDIRECT", "PERMANENT_REDIRECT")
        ),
        Row(
            "direct responses",
            [
                ask(f"/{s}", h, method=m)
                for s in (200, 201, 204, 301, 304, 404, 503, 599)
                for h, m in (({}, "GET"), (GRPC, "POST"), ({}, "HEAD"))
            ],
            routes=[
                {
                    "name": str(s),
                    "match": {"prefix": f"/{s}"},
                    "direct_response": {
                        "status": s,
                        **({"body": {"inline_string": "text"}} if s not in (204, 304) else {}),
                    },
                }
                for s in (200, 201, 204, 301, 304, 404, 503, 599)
            ],
        ),
        Row(
            "direct formats",
            [ask("/f?x=1"), ask("/j")],
            routes=[
                {
                    "name": "f",
                    "match": {"prefix": "/f"},
                    "direct_response": {
                        "status": 200,
                        "body_format": {
                            "text_format_source": {"inline_string": "%REQ(:PATH)% %RESPONSE_CODE% %ROUTE_NAME%"},
                            "content_type": "text/x",
                        },
                    },
                },
                {
                    "name": "j",
                    "match": {"prefix": "/j"},
                    "direct_response": {
                        "status": 503,
                        "body": {"inline_string": "inner"},
                        "body_format": {
                            "json_format": {"p": "%REQ(:PATH)%", "b": "%LOCAL_REPLY_BODY%", "c": "%RESPONSE_CODE%"}
                        },
                    },
                },
            ],
        ),
    ),
)
MUTATIONS = Part(
    "actions: mutations", (levels("default"), levels("specific wins", most_specific_header_mutations_wins=True))
)
TO = "http://foo.com"
INTERNAL = Part(
    "actions: internal redirects",
    (
        follows(
            "default",
            {},
            ask("/r", up=moved(TO + "/other?z=1#f")),
            ask("/r", up=moved("/relative")),
            ask("/r", up=moved("https://foo.com/other")),
            ask("/r", up=moved(TO + "/other", 301)),
            ask("/r", up=moved(TO + "/direct")),
            ask("/r", up=moved(TO + "/other", 302, *moved(TO + "/other"))),
            ask("/r", up=moved("ftp://foo.com/")),
            ask("/r", up=moved("")),
            ask("/r", up=moved("http://other.com:81/other")),
            ask("/r", up=moved("http://foo.com:81/other")),
            ask("/r", method="POST", body="abc", up=moved(TO + "/other")),
        ),
        follows(
            "codes",
            {
                "redirect_response_codes": [301, 303, 307],
                "max_internal_redirects": 2,
                "response_headers_to_copy": ["x-copy", "x-none"],
            },
            *(
                ask("/r", method=m, body=b, up=moved(TO + "/other", s))
                for s in (301, 302, 303, 307)
                for m, b in (("GET", ""), ("POST", "abc"))
            ),
            ask("/r", up=moved(TO + "/other", 301, *moved(TO + "/other", 303, *moved(TO + "/r", 307)))),
        ),
        follows(
            "cross scheme",
            {"allow_cross_scheme_redirect": True},
            ask("/r", up=moved("https://foo.com/other")),
            ask("/r", {"x-forwarded-proto": "https"}, up=moved(TO + "/other")),
        ),
        follows(
            "previous routes",
            {
                "max_internal_redirects": 5,
                "predicates": [
                    {
                        "name": "p",
                        "typed_config": {
                            "@type": TYPE + "envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig"
                        },
                    }
                ],
            },
            ask("/r", up=moved(TO + "/other", 302, *moved(TO + "/r"))),
            ask("/r", up=moved(TO + "/r")),
        ),
        follows(
            "allow listed",
            {
                "predicates": [
                    {
                        "name": "p",
                        "typed_config": {
                            "@type": TYPE
                            + "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig",
                            "allowed_route_names": ["other"],
                        },
                    }
                ]
            },
            ask("/r", up=moved(TO + "/other")),
            ask("/r", up=moved(TO + "/x")),
        ),
        follows(
            "safe cross scheme",
            {
                "allow_cross_scheme_redirect": True,
                "predicates": [
                    {
                        "name": "p",
                        "typed_config": {
                            "@type": TYPE
                            + "envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig"
                        },
                    }
                ],
            },
            ask("/r", up=moved("https://foo.com/other")),
            ask("/r", {"x-forwarded-proto": "https"}, up=moved(TO + "/other")),
            ask("/r", {"x-forwarded-proto": "https"}, up=moved("https://foo.com/other")),
        ),
    ),
)
