"""Rate limits by a service (``source/extensions/filters/http/ratelimit/ratelimit.cc``).

The descriptors a request has are computed; what the service says to them is an input (``World.verdicts``);
that it cannot be reached is found out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...model.reply import Aborted, LocalReply, Response
from ...schema import Msg, duration_ms, enum_name
from ..headers import HeaderMutations, compile_mutations
from ..rate_limit_descriptors import Descriptor, RateLimitPolicy, RoutePolicies, compile_policies, describe_request
from ..route import Forward
from ..route_action import routed_cluster
from ..runtime import RuntimeFraction, compile_runtime_fraction
from .base import DecoderOnly, FilterModule, Verdict
from .grpc_service import GrpcService, compile_grpc_service
from .verdicts import given_verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Story, Stream

PREFIX: Final = "envoy.extensions.filters.http.ratelimit.v3."
NAME: Final = "ratelimit"
SHOULD_RATE_LIMIT: Final = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
DEFAULT_TIMEOUT_MS: Final = 20
RESOURCE_EXHAUSTED: Final = 8
DENIED: Final = frozenset({"deny", "over_limit"})


@dataclass(frozen=True, slots=True)
class PerRoute:
    """A compiled ``RateLimitPerRoute``."""

    ref: Ref
    vh_rate_limits: str
    policies: tuple[RateLimitPolicy, ...]
    domain: str


@dataclass(frozen=True, slots=True, eq=False)
class RateLimit(DecoderOnly):
    """The compiled filter."""

    ref: Ref
    service: GrpcService
    domain: str
    stage: int
    request_type: str
    policies: tuple[RateLimitPolicy, ...]
    route_policies: RoutePolicies
    enabled: RuntimeFraction | None
    enforced: RuntimeFraction | None
    failure_mode_deny: bool
    failure_mode_deny_percent: RuntimeFraction | None
    limited_status: int
    limited_grpc_status: int | None
    error_status: int
    limited_header: bool
    response_headers: HeaderMutations | None

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Ask the service about the request's descriptors; without any it is not asked."""
        if not self._drawn(stream, self.enabled, "ratelimit.http_filter_enabled"):
            return None
        internal = stream.headers.get("x-envoy-internal") == "true"
        if self.request_type == ("external" if internal else "internal"):
            return None
        route = overrides[-1] if overrides else None
        assert route is None or isinstance(route, PerRoute)
        descriptors = self._descriptors(stream, route)
        telling = stream.telling
        if not descriptors:
            telling.step("http filter", self.ref, "rate limit: no descriptors, the service is not asked")
            return None
        domain = (route.domain if route is not None else "") or self.domain
        words = "; ".join(map(str, descriptors))
        verdict = given_verdict(stream, NAME)
        if verdict is None:
            return self._ask(stream, words, domain)
        telling.step(
            "http filter", self.ref, "rate limit service says `{}` to `{}` in `{}`", verdict.word, words, domain
        )
        cluster = f"cluster.{routed_cluster(stream)}.ratelimit."
        if verdict.word in DENIED:
            telling.count(cluster + "over_limit")
            return self._over_limit(stream)
        if verdict.word == "error":
            telling.count(cluster + "error")
            return self._on_error(stream, cluster)
        telling.count(cluster + "ok")
        return None

    def _ask(self, stream: Stream, words: str, domain: str) -> Story[LocalReply | Aborted | Response | None]:
        failure = yield from self.service.failure(stream)
        if failure is None:
            stream.telling.note(self.ref, f"rate limit service asked about `{words}` in `{domain}`: taken to allow")
            return None
        stream.telling.step("http filter", self.ref, "the rate limit service is not reached")
        cluster = f"cluster.{routed_cluster(stream)}.ratelimit."
        stream.telling.count(cluster + "error")
        return self._on_error(stream, cluster)

    def _drawn(self, stream: Stream, fraction: RuntimeFraction | None, key: str) -> bool:
        if fraction is not None:
            return fraction.enabled(stream.proxy.runtime, stream.world, key)
        return stream.proxy.runtime.enabled_percent(key, 100, stream.world)

    def _descriptors(self, stream: Stream, config: PerRoute | None) -> list[Descriptor]:
        route, host = stream.route, stream.virtual_host
        if route is None or host is None or not isinstance(route.action, Forward):
            return []
        if stream.proxy.cluster(routed_cluster(stream) or "") is None:
            return []
        if config is not None and config.policies:
            return describe_request(config.policies, stream)
        if self.policies:
            return describe_request(self.policies, stream)
        own = route.action.rate_limits
        policies = self.route_policies.get(own, self.stage)
        option = "INCLUDE" if route.action.include_vh_rate_limits else config.vh_rate_limits if config else "OVERRIDE"
        if option == "INCLUDE" or (option != "IGNORE" and own is None):
            policies += self.route_policies.get(host.rate_limits, self.stage)
        return describe_request((p for p in policies if self._counts(stream, p)), stream)

    def _counts(self, stream: Stream, policy: RateLimitPolicy) -> bool:
        key = policy.disable_key
        if not key:
            return True
        return stream.proxy.runtime.enabled_percent(f"ratelimit.{key}.http_filter_enabled", 100, stream.world)

    def _over_limit(self, stream: Stream) -> LocalReply | None:
        if not self._drawn(stream, self.enforced, "ratelimit.http_filter_enforcing"):
            return None
        stream.telling.step("http filter", self.ref, "over the limit: {} `request_rate_limited`", self.limited_status)
        headers = HeaderMap([("x-envoy-ratelimited", "true")] if self.limited_header else [])
        if self.response_headers is not None:
            self.response_headers.apply(headers, stream, None)
        return LocalReply(
            self.limited_status,
            "request_rate_limited",
            "",
            ("RL",),
            tuple(headers.items),
            grpc_status=self.limited_grpc_status,
        )

    def _on_error(self, stream: Stream, cluster: str) -> LocalReply | None:
        deny, percent = self.failure_mode_deny, self.failure_mode_deny_percent
        if percent is not None:
            deny = percent.enabled(stream.proxy.runtime, stream.world, "rate limit failure mode")
        if not deny:
            stream.telling.count(cluster + "failure_mode_allowed")
            return None
        at = self.ref.at("failure_mode_deny")
        stream.telling.step("http filter", at, "no answer, and failure_mode_deny is on: {}", self.error_status)
        return LocalReply(self.error_status, "rate_limiter_error", "", ("RLSE",))


def compile_ratelimit(msg: Msg, ref: Ref, proxy: Proxy) -> RateLimit:
    """Compile ``RateLimit``."""
    limited, error = msg.rate_limited_status.code, msg.status_on_error.code
    added = msg.response_headers_to_add
    timeout = int(duration_ms(msg.timeout)) if msg.HasField("timeout") else DEFAULT_TIMEOUT_MS
    at = ref.at("rate_limit_service", "grpc_service")
    return RateLimit(
        ref,
        compile_grpc_service(msg.rate_limit_service.grpc_service, SHOULD_RATE_LIMIT, timeout, at, proxy),
        msg.domain,
        msg.stage,
        msg.request_type or "both",
        compile_policies(msg.rate_limits, ref.at("rate_limits"), proxy),
        RoutePolicies(proxy),
        _fraction(msg, "filter_enabled", ref),
        _fraction(msg, "filter_enforced", ref),
        msg.failure_mode_deny,
        _fraction(msg, "failure_mode_deny_percent", ref),
        limited if limited >= 400 else 429,
        RESOURCE_EXHAUSTED if msg.rate_limited_as_resource_exhausted else None,
        error if 100 <= error <= 511 else 500,
        not msg.disable_x_envoy_ratelimited_header,
        compile_mutations(added, (), ref.at("response_headers_to_add")) if added else None,
    )


def _fraction(msg: Msg, name: str, ref: Ref) -> RuntimeFraction | None:
    if name not in msg.DESCRIPTOR.fields_by_name or not msg.HasField(name):
        return None
    return compile_runtime_fraction(getattr(msg, name), ref.at(name))


def compile_per_route(msg: Msg, ref: Ref, proxy: Proxy) -> PerRoute:
    """Compile ``RateLimitPerRoute``."""
    policies = compile_policies(msg.rate_limits, ref.at("rate_limits"), proxy)
    return PerRoute(ref, enum_name(msg, "vh_rate_limits"), policies, msg.domain)


MODULE: Final = FilterModule(
    PREFIX + "RateLimit", compile_ratelimit, (PREFIX + "RateLimitPerRoute",), compile_per_route
)
