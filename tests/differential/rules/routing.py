"""Virtual hosts and routes: which one takes a request."""

from __future__ import annotations

from typing import Any

from ..build import TYPE
from .row import Json, Part, Row, ask, direct

GRPC = {"content-type": "application/grpc"}
H2 = "HTTP/2"
PATHS = (
    "/a",
    "/a/",
    "/ab",
    "/a?x=1",
    "/A",
    "/a/b",
    "/a//",
    "/a;p=1",
    "/a%2fb",
    "/a/b/c",
    "/",
    "/a/x.txt",
    "/a?x#",
    "/a;p?x",
)


def header(**fields: Any) -> Json:
    return {"prefix": "/", "headers": [{"name": "x-a", **fields}]}


def string(kind: str, text: str, **fields: Any) -> Json:
    return {"string_match": {kind: text, **fields}}


def template(text: str) -> Json:
    kind = TYPE + "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
    return {"path_match_policy": {"name": "t", "typed_config": {"@type": kind, "path_template": text}}}


def paths(name: str, match: Json, *more: str, **table: Any) -> Row:
    return Row(name, [ask(p) for p in (*PATHS, *more)], routes=[direct("hit", match)], table=table)


VALUES: tuple[tuple[tuple[str, str], ...], ...] = (
    (),
    *(
        (("x-a", v),)
        for v in ("", "a", "z", "7", "10", "007", "+7", "7.0", "-1", "A", "a,b", "abc", " 7", "9223372036854775808")
    ),
    (("x-a", "a"), ("x-a", "b")),
    (("x-a", "z"), ("x-a", "a")),
)


def values(name: str, **fields: Any) -> Row:
    kinds = [(i, t) for i in (False, True) for t in (False, True)]
    routes = [
        direct(
            f"{i}{t}",
            {
                "prefix": f"/{i}{t}",
                **{"headers": [{"name": "x-a", "invert_match": i, "treat_missing_header_as_empty": t, **fields}]},
            },
        )
        for i, t in kinds
    ]
    return Row(name, [ask(f"/{i}{t}", v) for i, t in kinds for v in VALUES], routes=routes)


HOSTS: Json = {
    "virtual_hosts": [
        {"name": n, "domains": d, "routes": [direct(n, {"prefix": "/x"} if n == "exact" else {"prefix": "/"})]}
        for n, d in (
            ("exact", ["a.com", "B.com", "port.com:80"]),
            ("suffix", ["*.a.com", "*foo.com"]),
            ("longer", ["*.x.a.com"]),
            ("prefix", ["a.*", "foo.*"]),
            ("dash", ["*-bar.com"]),
        )
    ]
}
AUTHORITIES = (
    "a.com",
    "A.COM",
    "b.com",
    "a.com:80",
    "port.com:80",
    "port.com",
    "x.a.com",
    "y.x.a.com",
    ".a.com",
    "a.org",
    "a.",
    "barfoo.com",
    "foo.com",
    "foo.org:1",
    "-bar.com",
    "q-bar.com",
    "a.com.",
    "",
    "none",
)


def hosts(name: str, /, **table: Any) -> Row:
    return Row(name, [ask(p, authority=a) for a in AUTHORITIES for p in ("/", "/x")], table={**HOSTS, **table})


def tls_hosts(kind: str, **manager: Any) -> Row:
    host = {"require_tls": kind, "routes": [direct("only", {"path": "/only"})]}
    return Row(
        f"tls {kind} {sorted(manager)}",
        [
            ask(p, h, authority=a)
            for p in ("/only?q", "/other")
            for h in ({}, {"x-forwarded-proto": "https"}, {"x-forwarded-for": "127.0.0.1"})
            for a in ("a.com", "a.com:80", "a.com:8443")
        ],
        manager,
        host=host,
    )


LOCAL = {"internal_address_config": {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}}
INPUT = TYPE + "envoy.type.matcher.v3."


def tree(kind: str, name: str, entries: Json) -> Json:
    wanted = {"@type": INPUT + kind, **({"header_name": name} if "Header" in kind else {"query_param": name})}
    return {"matcher_tree": {"input": {"name": "i", "typed_config": wanted}, **entries}}


def action(name: str, match: Json | None = None) -> Json:
    made = {"@type": TYPE + "envoy.config.route.v3.Route", **direct(name, match or {"prefix": "/"})}
    return {"action": {"name": "a", "typed_config": made}}


TREE = tree(
    "HttpRequestHeaderMatchInput",
    "x-t",
    {
        "exact_match_map": {
            "map": {"one": action("one"), "path": action("path", {"path": "/only"}), "a,b": action("joined")}
        }
    },
)
PREFIXES = tree(
    "HttpRequestHeaderMatchInput",
    ":path",
    {
        "prefix_match_map": {
            "map": {"/a": action("/a"), "/a/b": action("/a/b", {"path": "/a/bc"}), "/a/b/c": {"matcher": TREE}}
        }
    },
)
VIRTUAL_HOSTS = Part(
    "virtual hosts",
    (
        hosts("domains"),
        hosts("domains without ports", ignore_port_in_host_matching=True),
        Row(
            "host by header",
            [ask("/", h) for h in ({}, {"x-host": "a.com"}, {"x-host": "x.A.com"}, {"x-host": "none"}, {"x-host": ""})],
            table={**HOSTS, "vhost_header": "x-host"},
        ),
        *(
            tls_hosts(kind, **more)
            for kind in ("ALL", "EXTERNAL_ONLY")
            for more in ({}, {"use_remote_address": True}, {"use_remote_address": True, **LOCAL})
        ),
        Row(
            "tree",
            [
                ask(p, h)
                for h in ({}, {"x-t": "one"}, {"x-t": "path"}, {"x-t": "no"}, (("x-t", "a"), ("x-t", "b")))
                for p in ("/", "/only")
            ],
            host={"matcher": {**TREE, "on_no_match": action("else", {"prefix": "/o"})}, "routes": []},
        ),
        Row(
            "prefix tree",
            [
                ask(p, {"x-t": "one"} if p.endswith("d") else {})
                for p in ("/a", "/ab", "/a/b", "/a/bc", "/a/b/c", "/a/b/cd", "/b")
            ],
            host={"matcher": PREFIXES, "routes": []},
        ),
        Row(
            "virtual clusters",
            [ask("/v"), ask("/w"), ask("/v", method="POST")],
            host={
                "virtual_clusters": [
                    {
                        "name": "vc",
                        "headers": [
                            {"name": ":path", "string_match": {"prefix": "/v"}},
                            {"name": ":method", "string_match": {"exact": "GET"}},
                        ],
                    }
                ]
            },
        ),
        Row("no virtual host for what is answered", [ask(authority="q.com")], host={"domains": ["z.com"]}),
    ),
)
CASELESS = {"case_sensitive": False}
PATH = Part(
    "routes: paths",
    (
        paths("prefix", {"prefix": "/a"}),
        paths("prefix caseless", {"prefix": "/A", **CASELESS}),
        paths("empty prefix", {"prefix": ""}, "*"),
        paths("path", {"path": "/a"}),
        paths("path caseless", {"path": "/A", **CASELESS}),
        paths("separated", {"path_separated_prefix": "/a"}),
        paths("separated caseless", {"path_separated_prefix": "/A/B", **CASELESS}, "/a/B"),
        paths("regex", {"safe_regex": {"regex": "/a.?"}}),
        paths("regex caseless", {"safe_regex": {"regex": "/A"}, **CASELESS}),
        paths("regex of newlines and classes", {"safe_regex": {"regex": r"/(a|\w+/\pL)\b.*"}}),
        paths(
            "template without parameters",
            template("/a/{x}"),
            "/a/b;x",
            "/a;y/b",
            ignore_path_parameters_in_path_matching=True,
        ),
        paths("without parameters", {"path": "/a"}, "/a;x/b", "/;a", ignore_path_parameters_in_path_matching=True),
        *(
            paths(f"template {t}", template(t), "/a/b/", "/a/b/c/d", "/a/v1:x", "/a/b.c")
            for t in (
                "/a/*",
                "/a/**",
                "/a/{x}",
                "/a/{x}/{y}",
                "/a/{x=*}",
                "/a/{x=b/*}",
                "/a/{x=**}",
                "/a/*.txt",
                "/{a}/b",
                "/a/**.txt",
                "/a/v1:{x}",
            )
        ),
        Row(
            "connect",
            [ask("", authority="h.com:80", method="CONNECT", protocol=H2), ask("/a")],
            {"upgrade_configs": [{"upgrade_type": "CONNECT"}]},
            [direct("c", {"connect_matcher": {}})],
        ),
        Row(
            "grpc",
            [
                ask("/", {"content-type": c})
                for c in (
                    "application/grpc",
                    "application/grpc+proto",
                    "application/grpc-web",
                    "application/grpcx",
                    "APPLICATION/GRPC",
                    "application/grpc;x",
                )
            ]
            + [ask()],
            routes=[direct("g", {"prefix": "/", "grpc": {}})],
        ),
        Row(
            "runtime",
            [ask("/zero"), ask("/all"), ask("/key"), ask("/over"), ask("/none")],
            routes=[
                direct("zero", {"prefix": "/zero", "runtime_fraction": {"default_value": {}}}),
                direct("all", {"prefix": "/all", "runtime_fraction": {"default_value": {"numerator": 100}}}),
                direct("key", {"prefix": "/key", "runtime_fraction": {"default_value": {}, "runtime_key": "on"}}),
                direct(
                    "over",
                    {
                        "prefix": "/over",
                        "runtime_fraction": {
                            "default_value": {"numerator": 1, "denominator": "MILLION"},
                            "runtime_key": "on",
                        },
                    },
                ),
                direct(
                    "none",
                    {
                        "prefix": "/none",
                        "runtime_fraction": {"default_value": {"numerator": 100}, "runtime_key": "off"},
                    },
                ),
            ],
        ),
    ),
    {"on": 100, "off": 0},
)
HEADERS = Part(
    "routes: headers",
    (
        values("exact", **string("exact", "a")),
        values("prefix", **string("prefix", "a")),
        values("suffix", **string("suffix", "b")),
        values("contains", **string("contains", "b")),
        values("caseless", **string("exact", "A", ignore_case=True)),
        values("regex", **string("safe_regex", {"regex": "[az]"})),  # type: ignore[arg-type]
        values("any regex", **string("safe_regex", {"regex": ".*"})),  # type: ignore[arg-type]
        values("range", range_match={"start": 5, "end": 10}),
        values("negative range", range_match={"start": -5, "end": 0}),
        values("present", present_match=True),
        values("absent", present_match=False),
        values("no specifier"),
        Row(
            "pseudo",
            [
                ask(p, h, method=m)
                for p, m, h in (
                    ("/p?q=1", "GET", {}),
                    ("/p", "GET", {}),
                    ("/p?q=1", "POST", {}),
                    ("/p?q=1", "GET", {"user-agent": "a"}),
                )
            ],
            routes=[
                direct(
                    "hit",
                    {
                        "prefix": "/",
                        "headers": [
                            {"name": ":path", **string("suffix", "q=1")},
                            {"name": ":METHOD", **string("exact", "GET")},
                            {"name": "Host", **string("exact", "foo.com")},
                            {"name": "user-agent", "present_match": False},
                        ],
                    },
                )
            ],
        ),
        Row(
            "joined",
            [
                ask("/", (("user-agent", "a"), ("user-agent", "b"))),
                ask("/", (("accept", "a"), ("accept", "b"))),
                ask("/", (("x-custom", "a"), ("x-custom", "b"))),
                ask("/", (("cookie", "a=1"), ("cookie", "b=2"))),
                ask("/", (("cookie", "a=1"), ("cookie", "b=2")), protocol=H2),
            ],
            routes=[
                direct(n, {"prefix": "/", "headers": [{"name": n, **string("exact", v)}]})
                for n, v in (("user-agent", "a,b"), ("accept", "a,b"), ("x-custom", "a,b"), ("cookie", "a=1; b=2"))
            ],
        ),
        Row(
            "query",
            [
                ask(f"/{k}{q}")
                for k in ("exact", "present", "absent", "regex", "only", "two")
                for q in (
                    "",
                    "?q",
                    "?q=",
                    "?q=a",
                    "?q=%61",
                    "?q=b&q=a",
                    "?Q=a",
                    "?x&q=a",
                    "?q=a;r",
                    "?q=A",
                    "?q=a&r=1",
                    "?=a",
                    "?q=a+b",
                    "?q==a",
                )
            ],
            routes=[
                direct(k, {"prefix": f"/{k}", "query_parameters": p})
                for k, p in (
                    ("exact", [{"name": "q", "string_match": {"exact": "a"}}]),
                    ("present", [{"name": "q", "present_match": True}]),
                    ("absent", [{"name": "q", "present_match": False}]),
                    ("regex", [{"name": "q", "string_match": {"safe_regex": {"regex": "a.*"}}}]),
                    ("only", [{"name": "q"}]),
                    ("two", [{"name": "q"}, {"name": "r", "string_match": {"exact": "1"}}]),
                )
            ],
        ),
        Row(
            "cookies",
            [
                ask(f"/{k}", h)
                for k in ("is", "not")
                for h in (
                    {},
                    {"cookie": "c=v"},
                    {"cookie": 'c="v"'},
                    {"cookie": "x=1; c=v"},
                    {"cookie": "c=w; c=v"},
                    {"cookie": " c = v "},
                    {"cookie": "C=v"},
                    {"cookie": "c"},
                    (("cookie", "x=1"), ("cookie", "c=v")),
                )
            ],
            routes=[
                direct(
                    k,
                    {
                        "prefix": f"/{k}",
                        "cookies": [{"name": "c", "string_match": {"exact": "v"}, "invert_match": k == "not"}],
                    },
                )
                for k in ("is", "not")
            ],
        ),
        Row(
            "tls context",
            [ask("/p"), ask("/n"), ask("/v")],
            routes=[
                direct("p", {"prefix": "/p", "tls_context": {"presented": True}}),
                direct("n", {"prefix": "/n", "tls_context": {"presented": False}}),
                direct("v", {"prefix": "/v", "tls_context": {"validated": False}}),
            ],
        ),
        Row(
            "metadata before filters",
            [ask("/m"), ask("/i")],
            routes=[
                direct(
                    k,
                    {
                        "prefix": f"/{k}",
                        "dynamic_metadata": [
                            {
                                "filter": "f",
                                "path": [{"key": "k"}],
                                "value": {"present_match": True},
                                "invert": k == "i",
                            }
                        ],
                    },
                )
                for k in ("m", "i")
            ],
        ),
    ),
)
