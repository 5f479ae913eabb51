"""TCP proxies: one cluster, weighted ones, subsets, RBAC and SNI in front, dead endpoints."""

from __future__ import annotations

from .build import NETWORK, PROXY_PROTOCOL, TLS_INSPECTOR, Bench, Json, ProxyProtocol, Tls


def _rbac(bench: Bench) -> Json:
    principal = bench.one(
        {"any": True},
        {"direct_remote_ip": {"address_prefix": "127.0.0.1", "prefix_len": 32}},
        {"remote_ip": {"address_prefix": "1.2.3.0", "prefix_len": 24}},
        {"not_id": {"remote_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}}},
    )
    permission = bench.one(
        {"any": True},
        {"destination_port": 443},
        {"destination_ip": {"address_prefix": "10.0.0.0", "prefix_len": 16}},
        {"requested_server_name": {"exact": "foo.com"}},
        {"requested_server_name": {"suffix": ".com"}},
        {"destination_port_range": {"start": 80, "end": 443}},
        {"not_rule": {"requested_server_name": {"exact": ""}}},
    )
    policies = {"p": {"permissions": [permission], "principals": [principal]}}
    rules = {"action": bench.one("ALLOW", "DENY", "LOG"), "policies": policies}
    config: Json = {
        "@type": NETWORK + "rbac.v3.RBAC",
        "stat_prefix": "r",
        bench.one("rules", "rules", "shadow_rules"): rules,
    }
    return {"name": "rbac", "typed_config": config}


def _proxy(bench: Bench) -> Json:
    config: Json = {"@type": NETWORK + "tcp_proxy.v3.TcpProxy", "stat_prefix": "t"}
    if bench.chance(0.4):
        weights = [{"name": f"c{i}", "weight": bench.one(1, 3)} for i in range(3)]
        config["weighted_clusters"] = {"clusters": weights}
    else:
        config["cluster"] = bench.one("c0", "c1", "c2", "missing", "foo.com")
    if bench.chance(0.3):
        config["max_connect_attempts"] = bench.one(1, 3)
    if bench.chance(0.2):
        config["hash_policy"] = [{"source_ip": {}}]
    if bench.chance(0.2):
        config["metadata_match"] = {"filter_metadata": {"envoy.lb": {"stage": bench.one("prod", "none")}}}
    return {"name": "tcp", "typed_config": config}


def _filters(bench: Bench) -> list[Json]:
    filters = [_rbac(bench) for _ in range(bench.one(0, 1, 1, 2))]
    if bench.chance(0.25):
        filters.append({"name": "sni", "typed_config": {"@type": NETWORK + "sni_cluster.v3.SniCluster"}})
    return [*filters, _proxy(bench)]


def make(bench: Bench) -> None:
    """Chains by SNI and port, each with a TCP proxy."""
    for name in ("c0", "c1", "c2", "foo.com"):
        count = bench.one(1, 1, 2)
        entries = []
        for _ in range(count):
            metadata = {"filter_metadata": {"envoy.lb": {"stage": "prod"}}} if bench.chance(0.5) else {}
            entries.append(bench.endpoint(name, dead=bench.chance(0.2), metadata=metadata))
        fields: Json = {"lb_policy": bench.one("ROUND_ROBIN", "RING_HASH", "MAGLEV")}
        if bench.chance(0.2):
            fields["lb_subset_config"] = {"fallback_policy": "NO_FALLBACK", "subset_selectors": [{"keys": ["stage"]}]}
        if bench.chance(0.2):
            fields["circuit_breakers"] = {"thresholds": [{"max_connections": 0}]}
        bench.cluster(name, localities=[{"lb_endpoints": entries}], **fields)
    chains: list[Json] = [{"name": "all", "filters": _filters(bench)}]
    if bench.chance(0.6):
        chains.append({"name": "sni", "filter_chain_match": {"server_names": ["foo.com"]}, "filters": _filters(bench)})
    if bench.chance(0.6):
        chains.append({"name": "port", "filter_chain_match": {"destination_port": 443}, "filters": _filters(bench)})
    destination = bench.listener(chains, listener_filters=[PROXY_PROTOCOL, TLS_INSPECTOR])
    for _ in range(25):
        proxy = ProxyProtocol(
            f"{bench.one('1.2.3.4', '10.0.0.1')}:1000", f"{bench.one('10.0.0.1', '10.1.0.1')}:{bench.one(80, 443)}"
        )
        hello = Tls(bench.one("foo.com", "bar.org"), ("http/1.1",)) if bench.chance(0.3) else None
        bench.send(destination, proxy_protocol=proxy, tls=hello, path="/tcp")
