"""Local rate limits (``source/extensions/filters/http/local_ratelimit/local_ratelimit.cc``).

A route's configuration replaces the filter's as a whole and has buckets of its own. ``filter_enabled`` and
``filter_enforced`` are 0 % where they are not set: a bucket alone never limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...model.reply import LocalReply, Response
from ...schema import Msg, enum_name
from ..headers import HeaderMutations, compile_mutations
from ..local_rate_limiter import Bucket, Limiter, LimiterConfig, Result, compile_limiter
from ..rate_limit_descriptors import Descriptor, RateLimitPolicy, RoutePolicies, compile_policies, describe_request
from ..route import Forward
from ..runtime import RuntimeFraction, compile_runtime_fraction
from .base import FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

TYPE: Final = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
PER_CONNECTION: Final = "per_connection_local_rate_limiter"
RESOURCE_EXHAUSTED: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class LocalRateLimit:
    """A compiled ``LocalRateLimit``: the filter's own, or a route's."""

    ref: Ref
    key: str
    stat_prefix: str
    status: int
    limiter: LimiterConfig
    enabled: RuntimeFraction | None
    enforced: RuntimeFraction | None
    policies: tuple[RateLimitPolicy, ...]
    route_policies: RoutePolicies
    stage: int
    vh_rate_limits: str
    per_connection: bool
    x_ratelimit_headers: bool
    request_headers: HeaderMutations | None
    response_headers: HeaderMutations | None
    grpc_status: int | None

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Take a token, or refuse."""
        limit = overrides[-1] if overrides else self
        assert isinstance(limit, LocalRateLimit)
        return limit._decide(stream, self.key)

    def _decide(self, stream: Stream, key: str) -> Verdict:
        telling, runtime = stream.telling, stream.proxy.runtime
        if self.enabled is None or not self.enabled.enabled(runtime, stream.world, "local rate limit enabled"):
            telling.step("http filter", self.ref, "local rate limit is not enabled")
            return None
        stats = self.stat_prefix + ".http_local_rate_limit."
        telling.count(stats + "enabled")
        result = self._limiter(stream).request_allowed(self._descriptors(stream), stream.state.now_ms)
        stream.facts[key] = _Decided(self, result)
        if result.allowed:
            telling.count(stats + "ok")
            telling.step("http filter", self.ref, "local rate limit: a token of {}", result)
            return None
        telling.count(stats + "rate_limited")
        if result.bucket is not None and result.bucket.shadow_mode:
            telling.count(stats + "shadow_mode")
            telling.step("http filter", self.ref, "local rate limit: no token in {}, shadow mode", result)
            return None
        if self.enforced is None or not self.enforced.enabled(runtime, stream.world, "local rate limit enforced"):
            telling.step("http filter", self.ref, "local rate limit: no token in {}, not enforced", result)
            if self.request_headers is not None:
                self.request_headers.apply(stream.headers, stream, None)
            return None
        telling.count(stats + "enforced")
        telling.step(
            "http filter",
            self.ref.at(*result.path),
            "local rate limit: no token in {}: {} `local_rate_limited` (RL)",
            result,
            self.status,
        )
        headers = HeaderMap()
        if self.response_headers is not None:
            self.response_headers.apply(headers, stream, None)
        return LocalReply(
            self.status,
            "local_rate_limited",
            "local_rate_limited",
            headers=tuple(headers.items),
            grpc_status=self.grpc_status,
            late_flags=("RL",),
        )

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Tell how many tokens are left, where configured so."""
        decided = stream.facts.get(self.key)
        if not isinstance(decided, _Decided) or decided.result.bucket is None:
            return None
        option = decided.result.x_ratelimit_option
        if decided.limit.x_ratelimit_headers if option == "UNSPECIFIED" else option == "DRAFT_VERSION_03":
            _add_headers(response, decided.result.bucket, stream.state.now_ms)
        return None

    def _limiter(self, stream: Stream) -> Limiter:
        config, now_ms = self.limiter, stream.state.now_ms
        if not self.per_connection:
            return stream.state.slot(self.key, lambda: Limiter(config, now_ms))
        held = stream.connection.filter_state.get(PER_CONNECTION)
        if not isinstance(held, Limiter):  # the first configuration to ask makes the connection's only limiter
            held = stream.connection.filter_state[PER_CONNECTION] = Limiter(config, now_ms)
        return held

    def _descriptors(self, stream: Stream) -> list[Descriptor]:
        if not self.limiter.descriptors:
            return []
        if self.policies:
            return describe_request(self.policies, stream)
        route, host = stream.route, stream.virtual_host
        if route is None or host is None or not isinstance(route.action, Forward):
            return []
        own = route.action.rate_limits
        policies = self.route_policies.get(own, self.stage)
        option = "INCLUDE" if route.action.include_vh_rate_limits else self.vh_rate_limits
        if option == "INCLUDE" or (option == "OVERRIDE" and own is None):
            policies += self.route_policies.get(host.rate_limits, self.stage)
        return describe_request((p for p in policies if not p.disable_key), stream)


@dataclass(frozen=True, slots=True)
class _Decided:
    """Whose bucket decided: kept for the response."""

    limit: LocalRateLimit
    result: Result


def _add_headers(response: Response, bucket: Bucket, now_ms: float) -> None:
    headers = response.headers
    headers.add("x-ratelimit-limit", str(bucket.max_tokens))
    headers.add("x-ratelimit-remaining", str(int(bucket.remaining(now_ms))))
    headers.add("x-ratelimit-reset", str(-(-bucket.next_token_ms(now_ms) // 1000)))


def compile_local_ratelimit(msg: Msg, ref: Ref, proxy: Proxy) -> LocalRateLimit:
    """Compile ``envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit``."""
    status = msg.status.code
    return LocalRateLimit(
        ref,
        f"local_ratelimit:{ref.source}{ref}",
        msg.stat_prefix,
        status if status >= 400 else 429,
        compile_limiter(msg, proxy),
        _fraction(msg, "filter_enabled", ref),
        _fraction(msg, "filter_enforced", ref),
        compile_policies(msg.rate_limits, ref.at("rate_limits"), proxy),
        RoutePolicies(proxy),
        msg.stage,
        enum_name(msg, "vh_rate_limits"),
        msg.local_rate_limit_per_downstream_connection,
        enum_name(msg, "enable_x_ratelimit_headers") == "DRAFT_VERSION_03",
        _mutations(msg, "request_headers_to_add_when_not_enforced", ref),
        _mutations(msg, "response_headers_to_add", ref),
        RESOURCE_EXHAUSTED if msg.rate_limited_as_resource_exhausted else None,
    )


def _fraction(msg: Msg, name: str, ref: Ref) -> RuntimeFraction | None:
    return compile_runtime_fraction(getattr(msg, name), ref.at(name)) if msg.HasField(name) else None


def _mutations(msg: Msg, name: str, ref: Ref) -> HeaderMutations | None:
    added = getattr(msg, name)
    return compile_mutations(added, (), ref.at(name)) if added else None


MODULE: Final = FilterModule(TYPE, compile_local_ratelimit, (TYPE,), compile_local_ratelimit)
