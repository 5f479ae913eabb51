"""Reading a cluster's load balancing policy: ``load_balancing_policy`` or the older ``lb_policy`` fields.

Follows ``ClusterInfoImpl::configureLbPolicies`` and ``LegacyLbPolicyConfigHelper`` in
``source/common/upstream/upstream_impl.cc``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ...schema import Msg, any_type, duration_ms, enum_name, to_python, unpack
from ..hash_policy import HashPolicies, compile_hash_policies
from .policy import (
    ClusterProvided,
    Hashing,
    LeastRequest,
    LocalityConfig,
    Maglev,
    OverrideHost,
    Policy,
    Random,
    RingHash,
    RoundRobin,
    Selector,
    SlowStart,
    Subset,
    Unmodelled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...model.ref import Ref

PREFIX: Final = "envoy.extensions.load_balancing_policies."


def whole_percent(value: float) -> int:
    """Return a percentage as an integer the way Envoy cuts it: 29 becomes 28 (``convertPercent``)."""
    return int(100 * (value / 100.0))


def compile_policy(cluster: Msg, ref: Ref) -> Policy:
    """Compile the policy of ``envoy.config.cluster.v3.Cluster``: the list wins over ``lb_policy``."""
    if cluster.HasField("load_balancing_policy"):
        return _from_list(cluster.load_balancing_policy, ref.at("load_balancing_policy"))
    child = _legacy(cluster, ref)
    subset = cluster.lb_subset_config
    if not subset.subset_selectors or isinstance(child, ClusterProvided):
        return child
    return _subset(subset, child, ref.at("lb_subset_config"))


def _from_list(msg: Msg, ref: Ref) -> Policy:
    """Take the first policy of a known type."""
    unknown: list[str] = []
    for index, policy in enumerate(msg.policies):
        entry = policy.typed_extension_config
        at = ref.at("policies", index, "typed_extension_config", "typed_config")
        config = unpack(entry.typed_config)
        kind = any_type(entry.typed_config).removeprefix(PREFIX).partition(".")[0]
        if config is not None and kind in BY_TYPE:
            return BY_TYPE[kind](config, at)
        unknown.append(entry.name or kind)
    return Unmodelled(ref, ", ".join(unknown) or "none")


# ---- typed configurations


def _round_robin(msg: Msg, ref: Ref) -> Policy:
    return RoundRobin(ref, _locality(msg.locality_lb_config), slow_start=_slow_start(msg))


def _client_side(msg: Msg, ref: Ref) -> Policy:
    return RoundRobin(
        ref, LocalityConfig(), client_side=True, slow_start=_slow_start(msg), name="client-side weighted round robin"
    )


def _least_request(msg: Msg, ref: Ref) -> Policy:
    full_scan = enum_name(msg, "selection_method") == "FULL_SCAN" or msg.enable_full_scan.value
    return _least_request_of(msg, ref, _locality(msg.locality_lb_config), full_scan=full_scan)


def _least_request_of(msg: Msg, ref: Ref, locality: LocalityConfig, *, full_scan: bool) -> LeastRequest:
    bias = msg.active_request_bias
    return LeastRequest(
        ref,
        locality,
        msg.choice_count.value if msg.HasField("choice_count") else 2,
        full_scan,
        bias.default_value if msg.HasField("active_request_bias") else 1.0,
        bias.runtime_key,
        _slow_start(msg),
    )


def _slow_start(msg: Msg) -> SlowStart | None:
    """Compile ``slow_start_config``, which has the same fields wherever it stands; a window of 0 turns it off."""
    config = msg.slow_start_config
    window_ms = duration_ms(config.slow_start_window)
    if not msg.HasField("slow_start_config") or window_ms <= 0:
        return None
    has_minimum = config.HasField("min_weight_percent")
    return SlowStart(
        window_ms,
        config.aggression.default_value if config.HasField("aggression") else 1.0,
        config.aggression.runtime_key,
        config.min_weight_percent.value / 100.0 if has_minimum else 0.1,
    )


def _random(msg: Msg, ref: Ref) -> Policy:
    return Random(ref, _locality(msg.locality_lb_config))


def _ring_hash(msg: Msg, ref: Ref) -> Policy:
    common = msg.consistent_hashing_lb_config
    has_common = msg.HasField("consistent_hashing_lb_config")
    factor = common.hash_balance_factor if has_common else msg.hash_balance_factor
    hashing = Hashing(
        msg.HasField("locality_weighted_lb_config"),
        common.use_hostname_for_hashing if has_common else msg.use_hostname_for_hashing,
        factor.value,
        _hash_policy(common, ref),
    )
    return RingHash(
        ref,
        hashing,
        msg.minimum_ring_size.value if msg.HasField("minimum_ring_size") else 1024,
        msg.maximum_ring_size.value if msg.HasField("maximum_ring_size") else 8 * 1024 * 1024,
        enum_name(msg, "hash_function") == "MURMUR_HASH_2",
    )


def _maglev(msg: Msg, ref: Ref) -> Policy:
    common = msg.consistent_hashing_lb_config
    hashing = Hashing(
        msg.HasField("locality_weighted_lb_config"),
        common.use_hostname_for_hashing,
        common.hash_balance_factor.value,
        _hash_policy(common, ref),
    )
    return Maglev(ref, hashing, msg.table_size.value if msg.HasField("table_size") else 65537)


def _hash_policy(common: Msg, ref: Ref) -> HashPolicies | None:
    if not common.hash_policy:
        return None
    return compile_hash_policies(list(common.hash_policy), ref.at("consistent_hashing_lb_config", "hash_policy"))


def _typed_subset(msg: Msg, ref: Ref) -> Policy:
    return _subset(msg, _from_list(msg.subset_lb_policy, ref.at("subset_lb_policy")), ref)


def _override_host(msg: Msg, ref: Ref) -> Policy:
    child = _from_list(msg.fallback_policy, ref.at("fallback_policy"))
    sources = tuple(
        (source.header.lower(), "", ())
        if source.header
        else ("", source.metadata.key, tuple(segment.key for segment in source.metadata.path))
        for source in msg.override_host_sources
    )
    return OverrideHost(ref, child, sources)


def _wrr_locality(msg: Msg, ref: Ref) -> Policy:
    child = _from_list(msg.endpoint_picking_policy, ref.at("endpoint_picking_policy"))
    if isinstance(child, RoundRobin):
        return replace(child, locality=replace(child.locality, weighted=True))
    return child


def _cluster_provided(msg: Msg, ref: Ref) -> Policy:
    return ClusterProvided(ref)


BY_TYPE: Final[Mapping[str, Callable[[Msg, Ref], Policy]]] = {
    "round_robin": _round_robin,
    "client_side_weighted_round_robin": _client_side,
    "least_request": _least_request,
    "random": _random,
    "ring_hash": _ring_hash,
    "maglev": _maglev,
    "subset": _typed_subset,
    "override_host": _override_host,
    "wrr_locality": _wrr_locality,
    "cluster_provided": _cluster_provided,
}
"""Package of the typed configuration, below ``envoy.extensions.load_balancing_policies`` -> how to compile it."""


def _locality(msg: Msg) -> LocalityConfig:
    if msg.WhichOneof("locality_config_specifier") == "locality_weighted_lb_config":
        return LocalityConfig(weighted=True)
    zone = msg.zone_aware_lb_config
    config = _zone_aware(zone)
    force: int | None = None
    if zone.HasField("force_local_zone"):
        size = zone.force_local_zone
        force = size.min_size.value if size.HasField("min_size") else 1
    elif zone.force_locality_direct_routing:
        force = 1
    by_weight = enum_name(zone, "locality_basis") == "HEALTHY_HOSTS_WEIGHT"
    return replace(config, force_local_zone_min_size=force, by_weight=by_weight)


def _zone_aware(zone: Msg) -> LocalityConfig:
    enabled = whole_percent(zone.routing_enabled.value) if zone.HasField("routing_enabled") else 100
    size = zone.min_cluster_size.value if zone.HasField("min_cluster_size") else 6
    return LocalityConfig(
        routing_enabled=enabled, min_cluster_size=size, fail_traffic_on_panic=zone.fail_traffic_on_panic
    )


# ---- lb_policy and its companions


def _legacy(cluster: Msg, ref: Ref) -> Policy:
    common = cluster.common_lb_config
    kind = common.WhichOneof("locality_config_specifier")
    if kind == "locality_weighted_lb_config":
        locality = LocalityConfig(weighted=True)
    else:
        locality = _zone_aware(common.zone_aware_lb_config)
    consistent = common.consistent_hashing_lb_config
    hashing = Hashing(
        locality.weighted, consistent.use_hostname_for_hashing, consistent.hash_balance_factor.value, None
    )
    match enum_name(cluster, "lb_policy"):
        case "LEAST_REQUEST":
            at = ref.at("least_request_lb_config")
            return _least_request_of(cluster.least_request_lb_config, at, locality, full_scan=False)
        case "RANDOM":
            return Random(ref.at("lb_policy"), locality)
        case "RING_HASH":
            ring = cluster.ring_hash_lb_config
            return RingHash(
                ref.at("ring_hash_lb_config"),
                hashing,
                ring.minimum_ring_size.value if ring.HasField("minimum_ring_size") else 1024,
                ring.maximum_ring_size.value if ring.HasField("maximum_ring_size") else 8 * 1024 * 1024,
                enum_name(ring, "hash_function") == "MURMUR_HASH_2",
            )
        case "MAGLEV":
            table = cluster.maglev_lb_config
            size = table.table_size.value if table.HasField("table_size") else 65537
            return Maglev(ref.at("maglev_lb_config"), hashing, size)
        case "CLUSTER_PROVIDED":
            return ClusterProvided(ref.at("lb_policy"))
        case "LOAD_BALANCING_POLICY_CONFIG":
            return Unmodelled(ref.at("lb_policy"), "LOAD_BALANCING_POLICY_CONFIG without load_balancing_policy")
        case _:
            return RoundRobin(ref.at("lb_policy"), locality, slow_start=_slow_start(cluster.round_robin_lb_config))


def _subset(msg: Msg, child: Policy, ref: Ref) -> Policy:
    """Compile ``LbSubsetConfig`` or ``Subset``: the fields have the same names."""
    defaults = to_python(msg.default_subset)
    selectors: Sequence[Selector] = [
        Selector(
            tuple(sorted(set(entry.keys))),
            enum_name(entry, "fallback_policy").removeprefix("NOT_DEFINED"),
            frozenset(entry.fallback_keys_subset),
            entry.single_host_per_subset,
        )
        for entry in msg.subset_selectors
    ]
    return Subset(
        ref,
        child,
        tuple(selectors),
        enum_name(msg, "fallback_policy"),
        tuple(defaults.items()),
        msg.locality_weight_aware,
        msg.scale_locality_weight,
        msg.panic_mode_any,
        msg.list_as_any,
        bool(getattr(msg, "allow_redundant_keys", False)),
        enum_name(msg, "metadata_fallback_policy") == "FALLBACK_LIST",
    )
