"""Listeners: listener filters that wait, fail or are disabled; chains without filters; network filters."""

from __future__ import annotations

from typing import Any

from ..build import (
    HTTP_INSPECTOR,
    LISTENER,
    NETWORK,
    PROXY_PROTOCOL,
    TLS_INSPECTOR,
    Bench,
    Json,
    ProxyProtocol,
    Tls,
    downstream_tls,
    hcm,
)
from .row import Part, direct

ANY: Json = {"destination_port_range": {"start": 1, "end": 65535}}
HELLO = Tls("a.foo.com", ("http/1.1",))


def manager(name: str) -> Json:
    return hcm(
        {"name": name, "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [direct(name, {"prefix": "/"})]}]}
    )


def chain(name: str, match: Json | None = None, *filters: Json, **fields: Any) -> Json:
    made = {"name": name, "filters": [*filters, manager(name)], **fields}
    return {**made, "filter_chain_match": match} if match else made


def network(kind: str, config: Json) -> Json:
    return {"name": kind.partition(".")[0], "typed_config": {"@type": NETWORK + kind, **config}}


def inspector(entry: Json, predicate: Json) -> Json:
    return {**entry, "filter_disabled": predicate}


def tcp(cluster: str, **fields: Any) -> Json:
    return network("tcp_proxy.v3.TcpProxy", {"stat_prefix": "t", "cluster": cluster, **fields})


def rbac(action: str, principal: Json, **fields: Any) -> Json:
    policy = {"permissions": [{"any": True}], "principals": [principal]}
    return network(
        "rbac.v3.RBAC", {"stat_prefix": "r", "rules": {"action": action, "policies": {"p 1": policy}}, **fields}
    )


NETS = tuple(
    ProxyProtocol(f"{s}:1000", f"{d}:{p}")
    for s in ("1.2.3.4", "10.0.0.1", "127.0.0.1")
    for d, p in (("10.0.0.1", 80), ("10.0.1.1", 443), ("192.168.0.1", 80))
)


def _filters(bench: Bench) -> None:
    tls = chain("tls", {"transport_protocol": "tls"}, transport_socket=downstream_tls("http/1.1"))
    named = chain("named", {"server_names": ["*.foo.com"]}, transport_socket=downstream_tls("h2", "http/1.1"))
    plain = chain("plain")
    disabled = {"not_match": ANY}
    for name, listener_filters in (
        ("none", []),
        ("tls inspector", [TLS_INSPECTOR]),
        ("tls inspector disabled", [inspector(TLS_INSPECTOR, ANY)]),
        ("tls inspector not disabled", [inspector(TLS_INSPECTOR, disabled)]),
        ("both disabled by or", [inspector(TLS_INSPECTOR, {"or_match": {"rules": [disabled, {"any_match": True}]}})]),
        ("http inspector", [HTTP_INSPECTOR]),
        ("both", [TLS_INSPECTOR, HTTP_INSPECTOR]),
    ):
        place = bench.listener([tls, named, plain], name, listener_filters=listener_filters)
        for hello in (None, HELLO, Tls("x.com"), Tls("A.FOO.com", ("h2",))):
            protocol = "HTTP/2" if hello is not None and hello.alpn == ("h2",) else "HTTP/1.1"
            bench.send(place, name, tls=hello, protocol=protocol)
        bench.send(place, name, protocol="HTTP/2")
    for name, fields in (("required", {}), ("allowed", {"allow_requests_without_proxy_protocol": True})):
        kind = {"@type": LISTENER + "proxy_protocol.v3.ProxyProtocol", **fields}
        place = bench.listener([plain], f"proxy {name}", listener_filters=[{"name": "p", "typed_config": kind}])
        bench.send(place, f"proxy {name}")
        bench.send(place, f"proxy {name}", proxy_protocol=NETS[0])
    place = bench.listener([plain], "header unread")
    bench.send(place, "header unread", proxy_protocol=NETS[0])


def _chains(bench: Bench) -> None:
    empty: Json = {"name": "empty", "filters": [], "filter_chain_match": {"destination_port": 80}}
    place = bench.listener([empty, chain("rest")], "empty", listener_filters=[PROXY_PROTOCOL])
    for net in NETS[:3]:
        bench.send(place, "empty", proxy_protocol=net)
    sources: list[Json] = [
        chain("local", {"source_type": "SAME_IP_OR_LOOPBACK"}),
        chain(
            "external",
            {"source_type": "EXTERNAL", "source_prefix_ranges": [{"address_prefix": "1.0.0.0", "prefix_len": 8}]},
        ),
        chain(
            "direct",
            {
                "direct_source_prefix_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}],
                "destination_port": 443,
            },
        ),
        chain(
            "physical",
            {
                "direct_source_prefix_ranges": [{"address_prefix": "1.0.0.0", "prefix_len": 8}],
                "prefix_ranges": [{"address_prefix": "192.168.0.0", "prefix_len": 16}],
            },
        ),
    ]
    for name, more in (
        ("sources", {}),
        ("sources with default", {"default_filter_chain": {"name": "default", "filters": [manager("default")]}}),
    ):
        place = bench.listener(sources, name, listener_filters=[PROXY_PROTOCOL], **more)
        for net in NETS:
            bench.send(place, name, proxy_protocol=net)
    place = bench.listener([chain("tls", transport_socket=downstream_tls())], "tls only")
    bench.send(place, "tls only")
    bench.send(place, "tls only", tls=Tls("any"))


def _network(bench: Bench) -> None:
    bench.cluster("c0")
    bench.cluster("dead", localities=[{"lb_endpoints": [bench.endpoint("dead", dead=True)]}])
    bench.cluster("empty", endpoints=0)
    local = {"source_ip": {"address_prefix": "127.0.0.0", "prefix_len": 8}}
    remote = {"remote_ip": {"address_prefix": "1.2.3.4", "prefix_len": 32}}
    kinds: dict[str, list[Json]] = {
        "tcp": [tcp("c0")],
        "tcp to nobody": [tcp("empty")],
        "tcp refused": [tcp("dead")],
        "tcp refused twice": [tcp("dead", max_connect_attempts=3)],
        "tcp without cluster": [tcp("none")],
        "denied": [rbac("DENY", local), tcp("c0")],
        "denied while continuous": [rbac("DENY", local, enforcement_type="CONTINUOUS"), tcp("c0")],
        "not allowed": [rbac("ALLOW", remote), tcp("c0")],
        "allowed": [rbac("ALLOW", local), tcp("c0")],
        "denied before http": [rbac("DENY", local), manager("m")],
        "allowed before http": [rbac("ALLOW", local), manager("m")],
        "shadow": [rbac("ALLOW", local, shadow_rules={"action": "DENY", "policies": {}}), manager("m")],
        "direct response": [network("direct_response.v3.Config", {"response": {"inline_string": "direct"}})],
        "limit": [
            network("connection_limit.v3.ConnectionLimit", {"stat_prefix": "l", "max_connections": 1}),
            manager("m"),
        ],
        "tokens": [
            network(
                "local_ratelimit.v3.LocalRateLimit",
                {"stat_prefix": "l", "token_bucket": {"max_tokens": 1, "fill_interval": "3600s"}},
            ),
            manager("m"),
        ],
    }
    for name, filters in kinds.items():
        place = bench.listener([{"name": "only", "filters": filters}], name)
        bench.send(place, name)
        bench.send(place, name)


FILTERS = Part("listeners: listener filters", (), prepare=_filters)
CHAINS = Part("listeners: chains", (), prepare=_chains)
NETWORK_FILTERS = Part("listeners: network filters", (), prepare=_network)
