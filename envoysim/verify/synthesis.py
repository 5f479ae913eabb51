"""Requests made from a dump's own literals: each matcher hit, and just missed.

``synthesize`` makes requests for a runnable bootstrap (``rebuild``): for each listener, connections its chains ask
for or just miss, and over them requests of each kind (``synthesis_*``): domains, routes and near misses, trust headers,
failing upstreams, methods and gRPC, upgrades, other HTTP versions and paths, and what the HTTP filters decide about.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ..model.request import Connection, ProxyProtocol, Request, Tls
from .rebuild import Rebuilt
from .rebuild_http import HCM, tables
from .synthesis_failures import failing
from .synthesis_filters import filtered
from .synthesis_protocols import grpc, methods, upgrades, versions
from .synthesis_routes import matching, misses
from .synthesis_trust import trusting

Json = dict[str, Any]
OTHER_HOST = "nowhere.example"
BY_ROUTE: dict[str, Callable[[Request, random.Random], Iterator[Request]]] = {
    "trust": trusting,
    "failures": failing,
    "methods": methods,
    "grpc": grpc,
    "upgrades": upgrades,
    "versions": versions,
}
"""Kinds of requests that are made from one that matches a route."""
MAX_ROUTES = 40
"""Routes of a connection manager for which each such kind is made."""


def synthesize(made: Rebuilt, count: int, seed: int) -> list[Request]:
    """Return up to ``count`` different requests, the same for the same seed; listeners and kinds take turns."""
    rng = random.Random(seed)
    pools: list[list[Request]] = []
    for listener in made.bootstrap["static_resources"]["listeners"]:
        kinds: dict[str, list[Request]] = {}
        for kind, request in _for_listener(made, listener, rng):
            kinds.setdefault(kind, []).append(request)
        pools += kinds.values()
    rng.shuffle(pools)
    for pool in pools:
        rng.shuffle(pool)
    found: list[Request] = []
    while pools and len(found) < count:
        found += [pool.pop() for pool in pools]
        pools = [pool for pool in pools if pool]
    return [replace(request, id=str(i)) for i, request in enumerate(found[:count])]


def _for_listener(made: Rebuilt, listener: Json, rng: random.Random) -> Iterator[tuple[str, Request]]:
    for chain in [*listener.get("filter_chains", []), listener.get("default_filter_chain")]:
        if chain is None:
            continue
        connections = list(_connections(made, listener, chain, rng))
        if not connections:
            return
        for filter_ in chain.get("filters", []):
            config = filter_.get("typed_config", {})
            if config.get("@type") == HCM:
                for kind, request in _for_manager(config, rng):
                    often = 0.5 if kind == "trust" else 0.8
                    yield kind, _on(request, connections[0] if rng.random() < often else rng.choice(connections))
            else:
                for connection in connections:
                    yield "connections", Request(connection=connection, authority=OTHER_HOST, path="/tcp")


def _on(request: Request, connection: Connection) -> Request:
    """Send ``request`` over ``connection``; ALPN decides the protocol where there is TLS."""
    asked = request.connection.protocol
    if asked != "HTTP/1.1" and connection.protocol != "HTTP/2":
        agreed = ("h2",) if asked == "HTTP/2" else ("http/1.1",)
        tls = replace(connection.tls, alpn=agreed) if connection.tls is not None else None
        connection = replace(connection, protocol=asked, tls=tls)
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


def _for_manager(hcm: Json, rng: random.Random) -> Iterator[tuple[str, Request]]:
    hits: list[tuple[Request, Json]] = []
    for host in (host for table in tables(hcm) for host in table.get("virtual_hosts", [])):
        authorities = [_authority(d) for d in host.get("domains", ["*"])]
        for authority in authorities[:4]:
            other = authority + ":8080" if ":" not in authority else authority.split(":")[0]
            yield "domains", Request(authority=other)
            yield "domains", Request(authority=authority.upper())
        hits += [(matching(route, rng.choice(authorities)), route) for route in host.get("routes", [])]
    yield "domains", Request(authority=OTHER_HOST)
    for request, route in hits:
        yield "hits", request
        for miss in misses(request, route, rng):
            yield "misses", miss
    requests = [request for request, _ in hits] or [Request(authority=OTHER_HOST)]
    for request in requests if len(requests) <= MAX_ROUTES else rng.sample(requests, MAX_ROUTES):
        for kind, make in BY_ROUTE.items():
            for made in make(request, rng):
                yield kind, made
    for request in filtered(hcm, requests, rng):
        yield "filters", request


def _authority(domain: str) -> str:
    return domain.replace("*", "any") if domain != "*" else "any.example"
