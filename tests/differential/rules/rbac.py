"""RBAC: permissions, principals, conditions, and what per-route configuration changes."""

from __future__ import annotations

from typing import Any

from ..build import TYPE
from .filters import GRPC, per_route
from .row import Json, Part, Row, ask, direct, http_filter, route


def rbac(action: str, permission: Json, principal: Json | None = None, **more: Any) -> Json:
    policies = {"p 1": {"permissions": [permission], "principals": [principal or {"any": True}]}}
    return http_filter("rbac.v3.RBAC", {"rules": {"action": action, "policies": policies}, **more})


PERMISSIONS: dict[str, Json] = {
    "header": {"header": {"name": "x-a", "string_match": {"exact": "1"}}},
    "path": {"url_path": {"path": {"exact": "/p"}}},
    "not": {"not_rule": {"url_path": {"path": {"prefix": "/p"}}}},
    "and": {"and_rules": {"rules": [{"any": True}, {"header": {"name": ":method", "string_match": {"exact": "GET"}}}]}},
    "or": {
        "or_rules": {
            "rules": [
                {"url_path": {"path": {"exact": "/q"}}},
                {"header": {"name": ":authority", "string_match": {"exact": "foo.com"}}},
            ]
        }
    },
    "ports": {"destination_port_range": {"start": 1, "end": 65536}},
    "address": {"destination_ip": {"address_prefix": "127.0.0.1", "prefix_len": 32}},
    "name": {"requested_server_name": {"exact": ""}},
    "metadata": {"metadata": {"filter": "f", "path": [{"key": "k"}], "value": {"present_match": True}}},
    "template": {
        "uri_template": {
            "name": "t",
            "typed_config": {
                "@type": TYPE + "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
                "path_template": "/p/{x}",
            },
        }
    },
}
PRINCIPALS: dict[str, Json] = {
    "remote": {"remote_ip": {"address_prefix": "1.2.3.4", "prefix_len": 32}},
    "direct": {"direct_remote_ip": {"address_prefix": "127.0.0.0", "prefix_len": 8}},
    "source": {"source_ip": {"address_prefix": "127.0.0.0", "prefix_len": 8}},
    "authenticated": {"authenticated": {}},
    "header": {"header": {"name": "x-a", "present_match": True, "invert_match": True}},
    "path": {"url_path": {"path": {"suffix": "p"}}},
    "ids": {"and_ids": {"ids": [{"not_id": {"header": {"name": "x-b", "present_match": True}}}, {"any": True}]}},
}


def _attribute(name: str) -> Json:
    operand, _, field = name.partition(".")
    return {"select_expr": {"operand": {"ident_expr": {"name": operand}}, "field": field}}


def _header(name: str) -> Json:
    return _called("_[_]", _attribute("request.headers"), {"const_expr": {"string_value": name}})


def _called(function: str, *args: Json) -> Json:
    return {"call_expr": {"function": function, "args": list(args)}}


def _text(value: str) -> Json:
    return {"const_expr": {"string_value": value}}


def _number(value: int) -> Json:
    return {"const_expr": {"int64_value": str(value)}}


def _equal(one: Json, text: str) -> Json:
    return _called("_==_", one, _text(text))


def _asked_of(target: Json, function: str, *args: Json) -> Json:
    return {"call_expr": {"target": target, "function": function, "args": list(args)}}


CONDITIONS: dict[str, Json] = {
    "path": _equal(_attribute("request.url_path"), "/p"),
    "header": _equal(_header("x-a"), "1"),
    "header or path": _called("_||_", _equal(_header("x-a"), "1"), _equal(_attribute("request.path"), "/q")),
    "not method": _called("!_", _equal(_attribute("request.method"), "POST")),
    "host": _equal(_attribute("request.host"), "foo.com"),
    "no response yet": _called("_==_", _attribute("response.code"), {"const_expr": {"int64_value": "200"}}),
    "not a condition": _attribute("request.path"),
    "and": _called("_&&_", _equal(_attribute("request.method"), "GET"), _equal(_header("x-a"), "1")),
    "differs": _called("_!=_", _attribute("request.path"), _text("/p")),
    "query": _equal(_attribute("request.query"), ""),
    "scheme": _equal(_attribute("request.scheme"), "http"),
    "protocol": _equal(_attribute("request.protocol"), "HTTP/1.1"),
    "server name": _equal(_attribute("connection.requested_server_name"), ""),
    "source": _asked_of(_attribute("source.address"), "startsWith", _text("127.0.0.1:")),
    "destination": _asked_of(_attribute("destination.address"), "startsWith", _text("127.0.0.1:")),
    "ports": _called("_>_", _attribute("source.port"), _attribute("destination.port")),
    "starts": _asked_of(_attribute("request.path"), "startsWith", _text("/p")),
    "ends": _asked_of(_attribute("request.path"), "endsWith", _text("q")),
    "contains": _asked_of(_attribute("request.path"), "contains", _text("p")),
    "matches": _asked_of(_attribute("request.path"), "matches", _text("^/[p]$")),
    "size": _called("_<=_", _called("size", _attribute("request.path")), _number(2)),
    "size of headers": _called("_>=_", _called("size", _attribute("request.headers")), _number(1)),
    "in": _called("@in", _attribute("request.path"), {"list_expr": {"elements": [_text("/p"), _text("/d")]}}),
    "header there": _called("@in", _text("x-a"), _attribute("request.headers")),
    "of another kind": _called("_<_", _attribute("request.path"), _number(1)),
}


def conditional(action: str, condition: Json) -> Json:
    policies = {"p": {"permissions": [{"any": True}], "principals": [{"any": True}], "condition": condition}}
    return http_filter("rbac.v3.RBAC", {"rules": {"action": action, "policies": policies}})


RBAC_REQUESTS = [
    ask(p, h, method=m)
    for p, h, m in (
        ("/p", {}, "GET"),
        ("/p?q", {"x-a": "1"}, "GET"),
        ("/q", (("x-a", "2"), ("x-a", "1")), "POST"),
        ("/p/x", {"x-forwarded-for": "1.2.3.4", "x-b": "1"}, "GET"),
        ("/d", {}, "GET"),
    )
] + [ask("/p", GRPC)]
RBAC = Part(
    "filters: rbac",
    (
        *(
            Row(f"{a} permission {n}", RBAC_REQUESTS, filters=[rbac(a, p)], routes=[direct("d", {"prefix": "/d"})])
            for n, p in PERMISSIONS.items()
            for a in ("ALLOW", "DENY")
        ),
        *(
            Row(f"{a} principal {n}", RBAC_REQUESTS, filters=[rbac(a, {"any": True}, p)])
            for n, p in PRINCIPALS.items()
            for a in ("ALLOW", "DENY")
        ),
        *(
            Row(f"{a} condition {n}", RBAC_REQUESTS, filters=[conditional(a, c)])
            for n, c in CONDITIONS.items()
            for a in ("ALLOW", "DENY")
        ),
        Row("no policies", [ask()], filters=[http_filter("rbac.v3.RBAC", {"rules": {"action": "ALLOW"}})]),
        Row("no rules", [ask()], filters=[http_filter("rbac.v3.RBAC")]),
        Row("log", [ask()], filters=[http_filter("rbac.v3.RBAC", {"rules": {"action": "LOG", "policies": {}}})]),
        Row(
            "order",
            [ask()],
            filters=[
                http_filter(
                    "rbac.v3.RBAC",
                    {
                        "rules": {
                            "action": "DENY",
                            "policies": {
                                n: {"permissions": [{"any": True}], "principals": [{"any": True}]}
                                for n in ("z", "a b", "m")
                            },
                        }
                    },
                )
            ],
        ),
        Row(
            "per route",
            [ask("/off"), ask("/own"), ask()],
            filters=[rbac("DENY", {"any": True})],
            routes=[
                route("off", {"prefix": "/off"}, **per_route("rbac", "rbac.v3.RBACPerRoute")),
                route(
                    "own",
                    {"prefix": "/own"},
                    **per_route(
                        "rbac", "rbac.v3.RBACPerRoute", {"rbac": {"rules": {"action": "ALLOW", "policies": {}}}}
                    ),
                ),
            ],
        ),
        Row(
            "no route",
            [ask("/none", authority="q")],
            filters=[rbac("DENY", {"any": True})],
            host={"domains": ["foo.com"]},
        ),
    ),
)
