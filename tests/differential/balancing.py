"""Several endpoints: policies, weights, health, priorities, localities, subsets, hash policies."""

from __future__ import annotations

from .build import TYPE, Bench, Json, route, some_headers

HASHES: tuple[Json, ...] = (
    {"header": {"header_name": "x-a"}},
    {"header": {"header_name": "x-a", "regex_rewrite": {"pattern": {"regex": "a"}, "substitution": "b"}}},
    {"cookie": {"name": "k"}},
    {"query_parameter": {"name": "q"}},
    {"connection_properties": {"source_ip": True}},
    {"header": {"header_name": "x-b"}, "terminal": True},
)
POLICIES: tuple[Json, ...] = (
    {"lb_policy": "ROUND_ROBIN"},
    {"lb_policy": "RING_HASH"},
    {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 7, "hash_function": "MURMUR_HASH_2"}},
    {"lb_policy": "MAGLEV"},
    {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 11}},
    {"lb_policy": "RANDOM"},
    {"lb_policy": "LEAST_REQUEST"},
)


def _endpoint(bench: Bench, name: str) -> Json:
    fields: Json = {}
    if bench.chance(0.4):
        fields["load_balancing_weight"] = bench.one(1, 2, 5)
    if bench.chance(0.3):
        fields["health_status"] = bench.one("UNHEALTHY", "DEGRADED", "DRAINING", "HEALTHY", "TIMEOUT")
    metadata: Json = {}
    if bench.chance(0.7):
        metadata["stage"] = bench.one("prod", "dev")
    if bench.chance(0.3):
        metadata["version"] = bench.one("1", "2")
    if bench.chance(0.3):
        metadata["hash_key"] = f"h{len(bench.cluster_of)}"  # of equal keys, which host is met first is not said
    fields["metadata"] = {"filter_metadata": {"envoy.lb": metadata}}
    made = bench.endpoint(name, **fields)
    made["endpoint"]["hostname"] = bench.one("one.host", "two.host")
    return made


def _cluster(bench: Bench, name: str) -> None:
    localities: list[Json] = []
    for priority in range(bench.one(1, 1, 1, 2, 3)):
        for zone in range(bench.one(1, 1, 2)):
            entry: Json = {
                "locality": {"region": "r", "zone": f"z{zone}"},
                "priority": priority,
                "lb_endpoints": [_endpoint(bench, name) for _ in range(bench.one(1, 2, 3))],
            }
            if bench.chance(0.5):
                entry["load_balancing_weight"] = bench.one(1, 3)
            localities.append(entry)
    fields: Json = dict(bench.one(*POLICIES))
    common: Json = {}
    if bench.chance(0.3):
        common["healthy_panic_threshold"] = {"value": bench.one(0, 50, 100)}
    if bench.chance(0.2):
        common["locality_weighted_lb_config"] = {}
    if bench.chance(0.2) and fields["lb_policy"] in ("RING_HASH", "MAGLEV"):
        common["consistent_hashing_lb_config"] = {"hash_balance_factor": 150}
    if common:
        fields["common_lb_config"] = common
    if bench.chance(0.4):
        fields["lb_subset_config"] = {
            "fallback_policy": bench.one("NO_FALLBACK", "ANY_ENDPOINT", "DEFAULT_SUBSET"),
            "default_subset": {"stage": "prod"},
            "subset_selectors": [{"keys": ["stage"]}, {"keys": ["stage", "version"]}][: bench.one(1, 2)],
            **({"panic_mode_any": True} if bench.chance(0.2) else {}),
        }
    bench.cluster(name, localities=localities, **fields)


def _action(bench: Bench) -> Json:
    action: Json = {"hash_policy": [bench.one(*HASHES) for _ in range(bench.one(0, 1, 1, 2))]}
    if bench.chance(0.4):
        wanted = {"stage": bench.one("prod", "dev", "none")}
        if bench.chance(0.3):
            wanted["version"] = bench.one("1", "2")
        action["metadata_match"] = {"filter_metadata": {"envoy.lb": wanted}}
    if bench.chance(0.2):
        action["auto_host_rewrite"] = True
    if bench.chance(0.2):
        kind = TYPE + "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
        action["retry_policy"] = {
            "retry_on": "5xx",
            "num_retries": 2,
            "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"},
            "retry_host_predicate": [{"name": "p", "typed_config": {"@type": kind}}],
            "host_selection_retry_max_attempts": 3,
        }
    return action


def make(bench: Bench) -> None:
    """Two clusters of many endpoints behind three routes."""
    _cluster(bench, "c0")
    _cluster(bench, "c1")
    routes = [
        route(
            f"r{i}",
            {"prefix": "/" + bench.one("a", "b")} if i < 2 else {"prefix": "/"},
            f"c{i % 2}",
            action=_action(bench),
        )
        for i in range(3)
    ]
    destination = bench.serve(routes)
    from .build import replies

    for _ in range(40):
        headers = list(some_headers(bench.rng, 2))
        if bench.chance(0.3):
            headers.append(("cookie", bench.one("k=1", "k=2; j=3", "j=k=1", "k=")))
        bench.send(
            destination,
            path=bench.one("/a", "/b", "/") + bench.one("", "?q=1", "?q=2", "?q=", "?p=1&q=7"),
            headers=tuple(headers),
            upstream=replies(503, 200) if bench.chance(0.15) else (),
        )
