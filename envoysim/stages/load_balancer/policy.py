"""Load balancing policies as configured, whatever fields they were configured by (``compile_policy`` reads them)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ...lazy_dataclass import dataclass

if TYPE_CHECKING:
    from ...model.ref import Ref
    from ..hash_policy import HashPolicies


@dataclass(frozen=True, slots=True)
class LocalityConfig:
    """How hosts of several localities share traffic (``LocalityLbConfig``)."""

    weighted: bool = False
    routing_enabled: int = 100
    min_cluster_size: int = 6
    fail_traffic_on_panic: bool = False
    force_local_zone_min_size: int | None = None
    by_weight: bool = False


@dataclass(frozen=True, slots=True)
class SlowStart:
    """``SlowStartConfig``: ``min_weight`` is a share of 1."""

    window_ms: float
    aggression: float = 1.0
    aggression_key: str = ""
    min_weight: float = 0.1


@dataclass(frozen=True, slots=True)
class RoundRobin:
    """``RoundRobin``, and ``ClientSideWeightedRoundRobin`` while no load report has come."""

    ref: Ref
    locality: LocalityConfig = LocalityConfig()
    client_side: bool = False
    slow_start: SlowStart | None = None
    name: str = "round robin"


@dataclass(frozen=True, slots=True)
class LeastRequest:
    """``LeastRequest``."""

    ref: Ref
    locality: LocalityConfig = LocalityConfig()
    choice_count: int = 2
    full_scan: bool = False
    active_request_bias: float = 1.0
    bias_key: str = ""
    slow_start: SlowStart | None = None
    name: str = "least request"


@dataclass(frozen=True, slots=True)
class Random:
    """``Random``: weights of hosts do not count."""

    ref: Ref
    locality: LocalityConfig = LocalityConfig()
    name: str = "random"


@dataclass(frozen=True, slots=True)
class Hashing:
    """What ring hash and maglev share; ``balance_factor`` 0 means no bound on a host's load."""

    locality_weighted: bool = False
    use_hostname: bool = False
    balance_factor: int = 0
    hash_policy: HashPolicies | None = None


@dataclass(frozen=True, slots=True)
class RingHash:
    """``RingHash``."""

    ref: Ref
    hashing: Hashing = Hashing()
    minimum_size: int = 1024
    maximum_size: int = 8 * 1024 * 1024
    murmur: bool = False
    name: str = "ring hash"


@dataclass(frozen=True, slots=True)
class Maglev:
    """``Maglev``."""

    ref: Ref
    hashing: Hashing = Hashing()
    table_size: int = 65537
    name: str = "maglev"


@dataclass(frozen=True, slots=True)
class Selector:
    """One set of keys that makes subsets; ``fallback`` "" is not defined."""

    keys: tuple[str, ...]
    fallback: str = ""
    fallback_keys: frozenset[str] = frozenset()
    single_host: bool = False


@dataclass(frozen=True, slots=True)
class Subset:
    """``Subset`` (``lb_subset_config``), with the policy inside each subset."""

    ref: Ref
    child: Policy
    selectors: tuple[Selector, ...]
    fallback: str = "NO_FALLBACK"
    default_subset: tuple[tuple[str, object], ...] = ()
    locality_weight_aware: bool = False
    scale_locality_weight: bool = False
    panic_mode_any: bool = False
    list_as_any: bool = False
    allow_redundant_keys: bool = False
    metadata_fallback: bool = False
    name: str = "subset"


@dataclass(frozen=True, slots=True)
class OverrideHost:
    """``OverrideHost``: hosts named by headers or metadata first, else ``child``."""

    ref: Ref
    child: Policy
    sources: tuple[tuple[str, str, tuple[str, ...]], ...]
    """(header, "", ()) or ("", metadata namespace, path)."""
    name: str = "override host"


@dataclass(frozen=True, slots=True)
class ClusterProvided:
    """The cluster type chooses: ORIGINAL_DST, aggregate, dynamic forward proxy."""

    ref: Ref
    name: str = "cluster provided"


@dataclass(frozen=True, slots=True)
class Unmodelled:
    """A policy nobody models."""

    ref: Ref
    name: str


Policy: TypeAlias = (
    RoundRobin | LeastRequest | Random | RingHash | Maglev | Subset | OverrideHost | ClusterProvided | Unmodelled
)


def looks_at_requests(policy: Policy) -> bool:
    """Tell whether the policy asks how many requests a host is serving."""
    match policy:
        case LeastRequest():
            return True
        case RingHash() | Maglev():
            return policy.hashing.balance_factor > 0
        case Subset() | OverrideHost():
            return looks_at_requests(policy.child)
        case _:
            return False


def slow_start_of(policy: Policy) -> SlowStart | None:
    """Return the slow start of a policy, or of the one inside it."""
    while isinstance(policy, (Subset, OverrideHost)):
        policy = policy.child
    return policy.slow_start if isinstance(policy, (RoundRobin, LeastRequest)) else None
