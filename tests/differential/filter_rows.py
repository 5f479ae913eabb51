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
