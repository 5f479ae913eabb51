"""Requests made from a dump's own literals: each matcher hit, and just missed.

``synthesize`` makes requests for a runnable bootstrap (``rebuild``): domains, ports, paths with and without slash,
case, query, members and near-members of regexes, header values at range edges, absent and repeated headers, SNI, ALPN,
addresses.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from ..model.behaviour import Behaviour
from ..model.request import Connection, ProxyProtocol, Request, Tls
from .rebuild import Rebuilt
from .rebuild_http import HCM
from .regex_members import member

Json = dict[str, Any]
OTHER_HOST, OTHER_VALUE = "nowhere.example", "other"


def synthesize(made: Rebuilt, count: int, seed: int) -> list[Request]:
    """Return up to ``count`` different requests, the same for the same seed."""
    rng = random.Random(seed)
    pools = [list(_for_listener(made, listener, rng)) for listener in made.bootstrap["static_resources"]["listeners"]]
    pools = [pool for pool in pools if pool]
    for pool in pools:
        rng.shuffle(pool)
    found: list[Request] = []
    while pools and len(found) < count:
        for pool in list(pools):
            found.append(pool.pop())
            if not pool:
                pools.remove(pool)
    return [_numbered(request, i) for i, request in enumerate(islice(found, count))]


def _numbered(request: Request, number: int) -> Request:
    from dataclasses import replace

    return replace(request, id=str(number))


def _for_listener(made: Rebuilt, listener: Json, rng: random.Random) -> Iterator[Request]:
    for chain in [*listener.get("filter_chains", []), listener.get("default_filter_chain")]:
        if chain is None:
            continue
        connections = list(_connections(made, listener, chain, rng))
        if not connections:
            return
        for filter_ in chain.get("filters", []):
            config = filter_.get("typed_config", {})
            if config.get("@type") == HCM:
                for request in _for_manager(config, rng):
                    yield _on(request, connections[0] if rng.random() < 0.8 else rng.choice(connections))
            else:
                for connection in connections:
                    yield Request(connection=connection, authority=OTHER_HOST, path="/tcp")


def _on(request: Request, connection: Connection) -> Request:
    from dataclasses import replace

    return replace(request, connection=connection)


def _connections(made: Rebuilt, listener: Json, chain: Json, rng: random.Random) -> Iterator[Connection]:
    """The connection the chain asks for first, then some that miss a criterion."""
    entry = _entry(made, listener)
    if entry is None:
        return
    name, address = entry
    match = chain.get("filter_chain_match", {})
    ip, port = _destination(made, listener, match)
    source = _address_in(match.get("source_prefix_ranges", []), "127.0.0.1")
    source_port = (match.get("source_ports") or [40000])[0]
    names = [n.replace("*", "any") for n in match.get("server_names", [])]
    tls = None
    if "transport_socket" in chain or match.get("transport_protocol") == "tls" or names:
        alpn = tuple(p for p in match.get("application_protocols", []) if p in ("h2", "http/1.1")) or ("http/1.1",)
        tls = Tls(names[0] if names else None, alpn)
    protocol: Any = "HTTP/2" if tls is not None and tls.alpn[0] == "h2" else "HTTP/1.1"

    def connection(dst: str, dst_port: int, src: str, hello: Tls | None) -> Connection:
        proxy = ProxyProtocol(f"{src}:{source_port}", f"{dst}:{dst_port}")
        return Connection(name, address, None, None, proxy, hello, protocol if hello is tls else "HTTP/1.1")

    yield connection(ip, port, source, tls)
    for other in names[1:3]:
        yield connection(ip, port, source, Tls(other, ("http/1.1",)))
    yield connection(ip, port, "203.0.113.9", tls)
    if match:
        yield connection(ip, port + 1 if port < 65535 else port - 1, source, tls)
        yield connection(ip, port, source, None if tls is not None else Tls(OTHER_HOST, ("http/1.1",)))
    if tls is not None:
        yield connection(ip, port, source, Tls(OTHER_HOST, tls.alpn))


def _entry(made: Rebuilt, listener: Json) -> tuple[str, str] | None:
    """Where to connect: the listener itself, or one that hands connections on."""
    name = listener.get("name", "listener")
    if name in made.listeners:
        return name, made.listeners[name]
    for other in made.bootstrap["static_resources"]["listeners"]:
        if other.get("use_original_dst") and other.get("name") in made.listeners:
            return other["name"], made.listeners[other["name"]]
    return None


def _destination(made: Rebuilt, listener: Json, match: Json) -> tuple[str, int]:
    host, _, port = made.original[listener.get("name", "listener")].rpartition(":")
    ip = _address_in(match.get("prefix_ranges", []), "10.1.2.3" if host in ("0.0.0.0", "::", "") else host)
    return ip, match.get("destination_port") or int(port) or 80


def _address_in(ranges: list[Json], otherwise: str) -> str:
    for cidr in ranges:
        prefix = str(cidr.get("address_prefix", ""))
        if prefix and ":" not in prefix:
            return prefix if not prefix.endswith(".0") else prefix[:-1] + "7"
    return otherwise if ":" not in otherwise else "10.1.2.3"


def _for_manager(hcm: Json, rng: random.Random) -> Iterator[Request]:
    table = hcm.get("route_config", {})
    for host in table.get("virtual_hosts", []):
        authorities = [_authority(d) for d in host.get("domains", ["*"])]
        for authority in authorities[:4]:
            yield Request(authority=authority + ":8080" if ":" not in authority else authority.split(":")[0])
        for route in host.get("routes", []):
            hit = _hit(route, rng.choice(authorities))
            yield hit
            yield from _variations(hit, route, rng)
    yield Request(authority=OTHER_HOST)


def _authority(domain: str) -> str:
    return domain.replace("*", "any") if domain != "*" else "any.example"


def _hit(route: Json, authority: str) -> Request:
    """A request meant to match the route."""
    match = route.get("match", {})
    headers: list[tuple[str, str]] = []
    method, path = "GET", _path(match)
    for matcher in match.get("headers", []):
        name, value = matcher.get("name", "x"), _value(matcher)
        if value is None:
            continue
        if name == ":method":
            method = value
        elif name == ":path":
            path = value if value.startswith("/") else path
        elif name == ":authority":
            authority = value
        elif not name.startswith(":"):
            headers.append((name, value))
    query = [
        f"{q.get('name', 'q')}={_string(q.get('string_match', {}), 'v')}" for q in match.get("query_parameters", [])
    ]
    if query:
        path += "?" + "&".join(query)
    if "grpc" in match:
        headers.append(("content-type", "application/grpc"))
    if not re.fullmatch(r"[!-~]+", path):
        path = "/"
    return Request(method=method, authority=authority, path=path, headers=tuple(headers))


def _path(match: Json) -> str:
    if "path" in match:
        return str(match["path"])
    if "path_separated_prefix" in match:
        return str(match["path_separated_prefix"]) + "/x"
    if "safe_regex" in match:
        return member(match["safe_regex"].get("regex", "/"))
    if "path_match_policy" in match:
        template = match["path_match_policy"].get("typed_config", {}).get("path_template", "/")
        return re.sub(r"\{[^}]*\}|\*+", "x", str(template))
    return str(match.get("prefix", "/")) or "/"


def _value(matcher: Json) -> str | None:
    if matcher.get("invert_match"):
        return OTHER_VALUE
    if "range_match" in matcher:
        return str(matcher["range_match"].get("start", 0))
    if matcher.get("present_match") is False:
        return None
    for old in ("exact_match", "prefix_match", "suffix_match", "contains_match"):
        if old in matcher:
            return str(matcher[old])
    if "safe_regex_match" in matcher:
        return member(matcher["safe_regex_match"].get("regex", ""))
    return _string(matcher.get("string_match", {}), "v")


def _string(matcher: Json, otherwise: str) -> str:
    for kind in ("exact", "prefix", "suffix", "contains"):
        if kind in matcher:
            return str(matcher[kind])
    return member(matcher["safe_regex"].get("regex", "")) if "safe_regex" in matcher else otherwise


def _variations(hit: Request, route: Json, rng: random.Random) -> Iterator[Request]:
    """The same request with one thing changed."""
    from dataclasses import replace

    path, _, query = hit.path.partition("?")
    tail = f"?{query}" if query else ""
    for other in {path.rstrip("/") or "/", path + "/", path + "x", path.upper(), path + "/..", path.replace("/", "//")}:
        if other != path and other.startswith("/"):
            yield replace(hit, path=other + tail)
    yield replace(hit, path=path + ("?a=b" if not query else ""))
    yield replace(hit, method=rng.choice(("POST", "HEAD", "OPTIONS", "DELETE")))
    for i, (name, value) in enumerate(hit.headers):
        others = hit.headers[:i] + hit.headers[i + 1 :]
        yield replace(hit, headers=others)
        yield replace(hit, headers=(*others, (name, value + "x")))
        yield replace(hit, headers=(*hit.headers, (name, OTHER_VALUE)))
        if value.lstrip("-").isdigit():
            yield replace(hit, headers=(*others, (name, str(int(value) - 1))))
    for matcher in route.get("match", {}).get("headers", []):
        if "range_match" in matcher:
            edge = (matcher.get("name", "x"), str(matcher["range_match"].get("end", 0)))
            yield replace(hit, headers=(*(h for h in hit.headers if h[0] != edge[0]), edge))
    origin = (("origin", "https://good.example"), ("access-control-request-method", "GET"))
    if rng.random() < 0.2:
        yield replace(hit, method="OPTIONS", headers=(*hit.headers, *origin))
    if rng.random() < 0.2:
        yield replace(hit, headers=(*hit.headers, ("x-forwarded-for", "203.0.113.9, 10.0.0.8")))
    if rng.random() < 0.3:
        failure = rng.choice((Behaviour(status=503), Behaviour(action="reset"), Behaviour(status=404, body="no")))
        yield replace(hit, upstream=(failure, Behaviour()))
