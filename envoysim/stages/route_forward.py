"""The forwarding action of a route: every value the router needs, plain (``RouteEntryImplBase``)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..match.path_matcher import PathSpecifier
from ..model.ref import Ref
from ..schema import Msg, duration_ms, enum_name, message_class
from .cluster_specifier import ClusterSpecifier, compile_cluster_specifier, lb_metadata
from .hash_policy import HashPolicies, compile_hash_policies
from .mirror import MirrorPolicy, compile_mirror_policies
from .path_rewrite import HostRewrite, PathRewrite, compile_host_rewrite, compile_path_rewrite
from .retry import RetryPolicy, compile_retry_policy

if TYPE_CHECKING:
    from .internal_redirect import InternalRedirectPolicy
    from .proxy import Proxy

CLUSTER_NOT_FOUND: Final = {"SERVICE_UNAVAILABLE": 503, "NOT_FOUND": 404, "INTERNAL_SERVER_ERROR": 500}
NO_LIMIT: Final = math.inf


@dataclass(frozen=True, slots=True)
class ConnectConfig:
    """``upgrade_configs[].connect_config``: CONNECT (and POST, where allowed) ends here and goes on as TCP."""

    ref: Ref
    allow_post: bool
    proxy_protocol: bool


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Raw ``rate_limits`` of one level; the rate limit filters compile them."""

    ref: Ref
    messages: tuple[Msg, ...]


@dataclass(frozen=True, slots=True)
class Inherited:
    """What routes take from their virtual host (which may have it from the route configuration)."""

    retry_policy: RetryPolicy | None = None
    hedge_policy: Msg | None = None
    mirrors: tuple[MirrorPolicy, ...] = ()
    request_body_buffer_limit: int | None = None
    legacy_buffer_limit: int | None = None
    include_request_attempt_count: bool = False
    include_attempt_count_in_response: bool = False
    include_is_timeout_retry_header: bool = False
    plugins: Mapping[str, Msg] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Forward:
    """A compiled ``RouteAction``. Durations are in ms; ``None`` where the field is not set."""

    ref: Ref
    cluster_specifier: ClusterSpecifier
    cluster_not_found_status: int = 503
    metadata_match: dict[str, object] | None = None
    path_rewrite: PathRewrite | None = None
    host_rewrite: HostRewrite | None = None
    auto_host_rewrite: bool = False
    append_x_forwarded_host: bool = False
    timeout_ms: float | None = None
    idle_timeout_ms: float | None = None
    using_new_timeouts: bool = False
    """``max_stream_duration`` is there, even if empty."""
    max_stream_duration_ms: float | None = None
    grpc_timeout_header_max_ms: float | None = None
    grpc_timeout_header_offset_ms: float | None = None
    max_grpc_timeout_ms: float | None = None
    grpc_timeout_offset_ms: float | None = None
    retry_policy: RetryPolicy | None = None
    hedge_on_per_try_timeout: bool = False
    hash_policy: HashPolicies | None = None
    mirrors: tuple[MirrorPolicy, ...] = ()
    priority: str = "DEFAULT"
    rate_limits: RateLimits | None = None
    include_vh_rate_limits: bool = False
    upgrade_configs: Mapping[str, bool] | None = None
    """Lower-case upgrade type -> enabled."""
    connect_config: ConnectConfig | None = None
    internal_redirect_policy: InternalRedirectPolicy | None = None
    cors: Msg | None = None
    cors_ref: Ref | None = None
    request_body_buffer_limit: float = NO_LIMIT
    include_request_attempt_count: bool = False
    include_attempt_count_in_response: bool = False
    include_is_timeout_retry_header: bool = False
    notes: tuple[str, ...] = ()


def compile_forward(
    route: Msg, action: Msg, ref: Ref, match: PathSpecifier, inherited: Inherited, proxy: Proxy
) -> Forward:
    """Compile ``action`` found at ``ref`` in ``route``; ``match`` is what path rewrites build on."""
    rewrite = compile_path_rewrite(action, match, ref)
    duration = action.max_stream_duration
    hedge = action.hedge_policy if action.HasField("hedge_policy") else inherited.hedge_policy
    upgrades = {
        u.upgrade_type.lower(): u.enabled.value if u.HasField("enabled") else True for u in action.upgrade_configs
    }
    return Forward(
        ref,
        compile_cluster_specifier(action, ref, proxy, inherited.plugins or {}),
        CLUSTER_NOT_FOUND.get(enum_name(action, "cluster_not_found_response_code"), 503),
        lb_metadata(action),
        rewrite,
        compile_host_rewrite(action, ref),
        action.auto_host_rewrite.value,
        action.append_x_forwarded_host,
        timeout_ms=optional_ms(action, "timeout"),
        idle_timeout_ms=optional_ms(action, "idle_timeout"),
        using_new_timeouts=action.HasField("max_stream_duration"),
        max_stream_duration_ms=optional_ms(duration, "max_stream_duration"),
        grpc_timeout_header_max_ms=optional_ms(duration, "grpc_timeout_header_max"),
        grpc_timeout_header_offset_ms=optional_ms(duration, "grpc_timeout_header_offset"),
        max_grpc_timeout_ms=optional_ms(action, "max_grpc_timeout"),
        grpc_timeout_offset_ms=optional_ms(action, "grpc_timeout_offset"),
        retry_policy=compile_retry_policy(action.retry_policy, ref.at("retry_policy"), proxy)
        if action.HasField("retry_policy")
        else inherited.retry_policy,
        hedge_on_per_try_timeout=hedge is not None and hedge.hedge_on_per_try_timeout,
        hash_policy=compile_hash_policies(action.hash_policy, ref.at("hash_policy")) if action.hash_policy else None,
        mirrors=compile_mirror_policies(action.request_mirror_policies, ref.at("request_mirror_policies"))
        or inherited.mirrors,
        priority=enum_name(action, "priority"),
        rate_limits=RateLimits(ref.at("rate_limits"), tuple(action.rate_limits)) if action.rate_limits else None,
        include_vh_rate_limits=action.include_vh_rate_limits.value,
        upgrade_configs=upgrades or None,
        connect_config=_connect_config(action, ref),
        internal_redirect_policy=_internal_redirect_policy(action, ref),
        cors=action.cors if action.HasField("cors") else None,
        cors_ref=ref.at("cors") if action.HasField("cors") else None,
        request_body_buffer_limit=_buffer_limit(route, inherited),
        include_request_attempt_count=inherited.include_request_attempt_count,
        include_attempt_count_in_response=inherited.include_attempt_count_in_response,
        include_is_timeout_retry_header=inherited.include_is_timeout_retry_header,
        notes=(rewrite.note,) if rewrite is not None and rewrite.note else (),
    )


def optional_ms(msg: Msg, name: str) -> float | None:
    """Return a Duration field in ms, ``None`` where it is not set."""
    return duration_ms(getattr(msg, name)) if msg.HasField(name) else None


def _connect_config(action: Msg, ref: Ref) -> ConnectConfig | None:
    for index, upgrade in enumerate(action.upgrade_configs):
        if upgrade.HasField("connect_config"):
            config = upgrade.connect_config
            at = ref.at("upgrade_configs", index, "connect_config")
            return ConnectConfig(at, config.allow_post, config.HasField("proxy_protocol_config"))
    return None


def _internal_redirect_policy(action: Msg, ref: Ref) -> InternalRedirectPolicy | None:
    # Internal redirects resolve routes, so their module imports the route table's.
    from .internal_redirect import compile_internal_redirect_policy

    if action.HasField("internal_redirect_policy"):
        return compile_internal_redirect_policy(action.internal_redirect_policy, ref.at("internal_redirect_policy"))
    if enum_name(action, "internal_redirect_action") != "HANDLE_INTERNAL_REDIRECT":
        return None
    policy = message_class("envoy.config.route.v3.InternalRedirectPolicy")()
    if action.HasField("max_internal_redirects"):
        policy.max_internal_redirects.value = action.max_internal_redirects.value
    return compile_internal_redirect_policy(policy, ref.at("internal_redirect_action"))


def _buffer_limit(route: Msg, inherited: Inherited) -> float:
    """Return how much body may be kept for retries (``getRequestBodyBufferLimit``)."""
    limit = optional_uint(route, "request_body_buffer_limit")
    if limit is None:
        limit = inherited.request_body_buffer_limit
    if limit is None:
        limit = optional_uint(route, "per_request_buffer_limit_bytes")
    if limit is None:
        limit = inherited.legacy_buffer_limit
    return NO_LIMIT if limit is None else limit


def optional_uint(msg: Msg, name: str) -> int | None:
    """Return a wrapped integer, ``None`` where it is not set (or the schema lacks it)."""
    if name not in msg.DESCRIPTOR.fields_by_name or not msg.HasField(name):
        return None
    return int(getattr(msg, name).value)
