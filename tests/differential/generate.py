"""Random cases: a bootstrap for one Envoy, and requests for it. A case is decided by its seed alone."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from envoysim.model.behaviour import Behaviour, Upstream
from envoysim.model.request import Connection, Request

from . import words
from .filters import http_filters, per_route

Json = dict[str, Any]
ROUTER = {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


@dataclass(frozen=True, slots=True)
class Case:
    """A configuration with placeholders resolved, its requests, and the loopback endpoints it uses."""

    seed: int
    bootstrap: Json
    requests: tuple[Request, ...]
    endpoints: tuple[str, ...]
    theme: str = "routes"
    clusters: Mapping[str, str] = field(default_factory=dict)
    """Endpoint -> cluster; without: endpoint ``i`` is of cluster ``ci``."""
    dead: tuple[str, ...] = ()
    """Endpoints nobody listens on."""
    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    """Endpoints with a nature or standing behaviours."""
    side: frozenset[str] = frozenset()
    """Endpoints of services that filters ask: what they receive is not compared."""
    held: tuple[socket.socket, ...] = ()
    """What keeps their ports from others."""


def make_case(seed: int, port: int, endpoint_ports: list[int], requests: int = 40) -> Case:
    """Return the case of ``seed``, listening on ``port`` with three clusters on ``endpoint_ports``."""
    rng = random.Random(seed)
    clusters = [_cluster(f"c{i}", p) for i, p in enumerate(endpoint_ports)]
    hcm: Json = {
        "@type": HCM,
        "stat_prefix": "in",
        "route_config": _route_configuration(rng, len(clusters)),
        "http_filters": [*http_filters(rng), {"name": "router", "typed_config": ROUTER}],
        **_hcm_options(rng),
    }
    listener = {
        "name": "l0",
        "address": _address(port),
        "filter_chains": [{"name": "only", "filters": [{"name": "hcm", "typed_config": hcm}]}],
    }
    bootstrap = {
        "node": {"id": "n", "cluster": "nc"},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }
    made = tuple(_request(rng, i, port) for i in range(requests))
    return Case(seed, bootstrap, made, tuple(f"127.0.0.1:{p}" for p in endpoint_ports))


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, port: int) -> Json:
    endpoint = {"endpoint": {"address": _address(port)}}
    return {"name": name, "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}}


def _route_configuration(rng: random.Random, clusters: int) -> Json:
    domains = list(words.DOMAINS)
    rng.shuffle(domains)
    hosts = []
    for i in range(rng.randint(1, 4)):
        count = rng.randint(1, 2)
        taken, domains = domains[:count], domains[count:]
        if taken:
            hosts.append(_virtual_host(rng, f"v{i}", taken, clusters))
    found: Json = {"name": "rc", "validate_clusters": False, "virtual_hosts": hosts, **words.mutations(rng, 0.2)}
    if rng.random() < 0.2:
        found["most_specific_header_mutations_wins"] = True
    if rng.random() < 0.2:
        found["ignore_port_in_host_matching"] = True
    if rng.random() < 0.2:
        found["internal_only_headers"] = ["x-b"]
    return found


def _virtual_host(rng: random.Random, name: str, domains: list[str], clusters: int) -> Json:
    routes = [_route(rng, f"{name}-r{i}", clusters) for i in range(rng.randint(1, 6))]
    found: Json = {"name": name, "domains": domains, "routes": routes, **words.mutations(rng, 0.2), **per_route(rng)}
    if rng.random() < 0.06:
        found["require_tls"] = rng.choice(("ALL", "EXTERNAL_ONLY"))
    if rng.random() < 0.15:
        found["include_request_attempt_count"] = True
    if rng.random() < 0.15:
        found["include_attempt_count_in_response"] = True
    return found


def _route(rng: random.Random, name: str, clusters: int) -> Json:
    found: Json = {"name": name, "match": words.route_match(rng), **words.mutations(rng, 0.2), **per_route(rng)}
    kind = rng.random()
    if kind < 0.7:
        found["route"] = _route_action(rng, clusters, found["match"])
    elif kind < 0.85:
        found["redirect"] = _redirect(rng, found["match"])
    else:
        found["direct_response"] = {"status": rng.choice((200, 204, 301, 404, 503))}
        if rng.random() < 0.6 and found["direct_response"]["status"] != 204:
            found["direct_response"]["body"] = {"inline_string": "direct"}
    return found


def _route_action(rng: random.Random, clusters: int, match: Json) -> Json:
    kind = rng.random()
    action: Json
    if kind < 0.75:
        action = {"cluster": f"c{rng.randrange(clusters)}"}
    elif kind < 0.85:
        action = {"cluster_header": rng.choice(words.HEADERS)}
    elif kind < 0.92:
        action = {"weighted_clusters": {"clusters": [{"name": "c0", "weight": 1, **words.mutations(rng, 0.3)}]}}
    else:
        action = {"cluster": "missing"}
        if rng.random() < 0.5:
            action["cluster_not_found_response_code"] = "NOT_FOUND"
    rewrite = rng.random()
    if rewrite < 0.25:
        action["prefix_rewrite"] = rng.choice(("/", "/new", "/new/"))
    elif rewrite < 0.4:
        action["regex_rewrite"] = {"pattern": {"regex": rng.choice(("/a", "a+", "/(.)"))}, "substitution": r"/z\0"}
    host = rng.random()
    if host < 0.15:
        action["host_rewrite_literal"] = "rewritten.com"
    elif host < 0.25:
        action["host_rewrite_header"] = "x-a"
    elif host < 0.3:
        action["host_rewrite_path_regex"] = {"pattern": {"regex": "/(.+)"}, "substitution": r"\1.host"}
    if 0 < host < 0.3 and rng.random() < 0.5:
        action["append_x_forwarded_host"] = True
    if rng.random() < 0.3:
        action["retry_policy"] = {
            "retry_on": rng.choice(("5xx", "gateway-error", "retriable-4xx", "reset,5xx", "bogus"))
        }
        if rng.random() < 0.5:
            action["retry_policy"]["num_retries"] = rng.randint(0, 3)
    return action


def _redirect(rng: random.Random, match: Json) -> Json:
    found: Json = {}
    if rng.random() < 0.4:
        found["host_redirect"] = rng.choice(("new.com", "new.com:99"))
    if rng.random() < 0.3:
        found["port_redirect"] = rng.choice((80, 443, 8080))
    scheme = rng.random()
    if scheme < 0.3:
        found["https_redirect"] = True
    elif scheme < 0.45:
        found["scheme_redirect"] = rng.choice(("https", "http", "ftp"))
    where = rng.random()
    if where < 0.3:
        found["path_redirect"] = rng.choice(("/n", "/n?x=y"))
    elif where < 0.5:
        found["prefix_rewrite"] = rng.choice(("/p", "/"))
    elif where < 0.6:
        found["regex_rewrite"] = {"pattern": {"regex": "a"}, "substitution": "zz"}
    if rng.random() < 0.3:
        found["strip_query"] = True
    if rng.random() < 0.3:
        found["response_code"] = rng.choice(("FOUND", "SEE_OTHER", "TEMPORARY_REDIRECT", "PERMANENT_REDIRECT"))
    return found


def _hcm_options(rng: random.Random) -> Json:
    found: Json = {}
    choices: list[tuple[str, tuple[Any, ...]]] = [
        ("use_remote_address", (True, False)),
        ("xff_num_trusted_hops", (1, 2)),
        ("normalize_path", (True, False)),
        ("merge_slashes", (True,)),
        ("path_with_escaped_slashes_action", ("REJECT_REQUEST", "UNESCAPE_AND_REDIRECT", "UNESCAPE_AND_FORWARD")),
        ("strip_any_host_port", (True,)),
        ("strip_trailing_host_dot", (True,)),
        ("via", ("edge",)),
        ("server_name", ("mine",)),
        ("server_header_transformation", ("PASS_THROUGH", "APPEND_IF_ABSENT")),
        ("skip_xff_append", (True,)),
        ("add_user_agent", (True,)),
        ("generate_request_id", (False,)),
        ("always_set_request_id_in_response", (True,)),
        ("preserve_external_request_id", (True,)),
        ("internal_address_config", ({"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}, {})),
        ("http_protocol_options", ({"accept_http_10": True, "default_host_for_http_10": "foo.com"},)),
        ("common_http_protocol_options", ({"headers_with_underscores_action": "REJECT_REQUEST"},)),
    ]
    for name, values in choices:
        if rng.random() < 0.15:
            found[name] = rng.choice(values)
    return found


def _request(rng: random.Random, number: int, port: int) -> Request:
    headers = [(rng.choice(words.HEADERS), rng.choice(words.VALUES)) for _ in range(rng.randint(0, 3))]
    special = [
        ("x-forwarded-for", rng.choice(("1.2.3.4", "10.0.0.1", "1.2.3.4, 10.0.0.2", "bad"))),
        ("x-forwarded-proto", rng.choice(("https", "http"))),
        ("x-envoy-retry-on", "5xx"),
        ("x-envoy-max-retries", "2"),
        ("content-type", "application/grpc"),
        ("user-agent", "ua"),
        ("x-request-id", "abc"),
        ("origin", rng.choice(("http://good.com", "http://bad.com"))),
        ("access-control-request-method", "GET"),
        ("referer", "http://x/"),
        ("via", "1.1 other"),
        ("server", "mine"),
        ("x_under", "1"),
    ]
    headers += [pair for pair in special if rng.random() < 0.08]
    protocol: Any = rng.choice(("HTTP/1.1",) * 7 + ("HTTP/2", "HTTP/2", "HTTP/1.0"))
    if protocol == "HTTP/2":
        headers = [(n, v) for n, v in headers if n != "x_under"]
    upstream: tuple[Behaviour, ...] = ()
    if rng.random() < 0.3:
        upstream = tuple(_behaviour(rng) for _ in range(rng.randint(1, 3)))
    method = rng.choice(words.METHODS)
    body = "body" if method == "POST" and rng.random() < 0.6 else ""
    return Request(
        id=str(number),
        connection=Connection(listener="l0", destination=f"127.0.0.1:{port}", protocol=protocol),
        method=method,
        authority=rng.choice((*words.HOSTS, *words.HOSTS, *words.HOSTS, "", None))
        if protocol != "HTTP/2"
        else rng.choice(words.HOSTS),
        path=words.path(rng),
        headers=tuple(headers),
        body=body,
        upstream=upstream,
    )


def _behaviour(rng: random.Random) -> Behaviour:
    if rng.random() < 0.2:
        return Behaviour(action=rng.choice(("reset", "close", "garbage")))
    headers = tuple(
        p for p in (("x-a", "up"), ("server", "up"), ("x-b", "1"), ("set-cookie", "k=v")) if rng.random() < 0.2
    )
    return Behaviour(status=rng.choice((200, 200, 201, 204, 404, 409, 500, 503)), headers=headers, body="up")
