"""CORS (``source/extensions/filters/http/cors/cors_filter.cc``).

Every field is taken from the most specific policy that sets it. Policies of ``typed_per_filter_config`` make those of
the deprecated ``cors`` fields count for nothing.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final, TypeVar

from ...lazy_dataclass import dataclass
from ...match.string_matcher import StringMatcher, compile_string_matchers
from ...model.headers import HeaderMap, ResponseHeaderMap
from ...model.ref import Ref
from ...model.reply import Response
from ...schema import Msg
from ..route import Forward
from ..runtime import ALL, RuntimeFraction, compile_runtime_fraction
from .base import FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

T = TypeVar("T")
STATE: Final = "cors:"
"""Prefix of the ``Stream.facts`` key of the ``_CorsRequest``."""


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """A compiled ``CorsPolicy``; ``None`` and "" where a field is not set."""

    ref: Ref
    allow_origins: tuple[StringMatcher, ...]
    allow_methods: str
    allow_headers: str
    expose_headers: str
    max_age: str
    allow_credentials: bool | None
    allow_private_network_access: bool | None
    forward_not_matching_preflights: bool | None
    filter_enabled: RuntimeFraction
    shadow_enabled: RuntimeFraction | None


@dataclass(frozen=True, slots=True, eq=False)
class _CorsRequest:
    """What encoding needs to know of the request: the origin, if it was allowed, and the policies."""

    origin: str
    policies: tuple[CorsPolicy, ...]


@dataclass(frozen=True, slots=True)
class CorsFilter:
    """The compiled filter; it has no configuration of its own."""

    ref: Ref
    key: str
    legacy: dict[int, tuple[Msg, CorsPolicy]] = field(default_factory=dict, compare=False, repr=False)
    """Compiled deprecated policies, by the identity of their message."""

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Answer preflights; remember an allowed origin for the response."""
        route = stream.route
        if route is None or not isinstance(route.action, Forward):
            return None
        policies: tuple[CorsPolicy, ...] = overrides[::-1]  # type: ignore[assignment]  # compiled below
        if not policies:
            policies = self._legacy_policies(stream, route.action)
        if not policies:
            return None
        origin, headers = stream.headers.get("origin"), stream.headers
        if not _enabled(policies[0], stream) or not origin:
            return None
        telling = stream.telling
        allowed = _origin_allowed(policies, origin)
        origins = policies[0].ref.at("allow_origin_string_match")
        telling.count(f"http.{stream.hcm.stat_prefix}.cors.{'origin_valid' if allowed else 'origin_invalid'}")
        stream.facts[self.key] = _CorsRequest(origin if allowed else "", policies)
        if headers.get(":method") != "OPTIONS" or not headers.get("access-control-request-method"):
            telling.step("http filter", origins, "CORS: origin `{}` is {}allowed", origin, "" if allowed else "not ")
            return None
        if not allowed and _first(policies, "forward_not_matching_preflights", True):
            telling.step("http filter", origins, "CORS preflight: origin `{}` is not allowed: passed on", origin)
            return None
        telling.step(
            "http filter",
            origins,
            "CORS preflight answered: origin `{}` is {}allowed",
            origin,
            "" if allowed else "not ",
        )
        return Response(
            200, _preflight_headers(policies, headers, origin if allowed else ""), local=True, details=DETAILS
        )

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Name the allowed origin, and what a script may see."""
        request = stream.facts.get(self.key)
        if not isinstance(request, _CorsRequest) or not request.origin:
            return None
        headers = response.headers
        headers.set("access-control-allow-origin", request.origin)
        if _first(request.policies, "allow_credentials", False):
            headers.set("access-control-allow-credentials", "true")
        expose = _first_text(request.policies, "expose_headers")
        if expose:
            headers.set("access-control-expose-headers", expose)
        return None

    def _legacy_policies(self, stream: Stream, forward: Forward) -> tuple[CorsPolicy, ...]:
        host = stream.virtual_host
        if forward.cors is None and (host is None or host.cors is None):
            return ()
        found = []
        for owner in (forward, host):
            if owner is not None and owner.cors is not None and owner.cors_ref is not None:
                compiled = self.legacy.get(id(owner.cors))
                if compiled is None:
                    compiled = owner.cors, compile_cors_policy(owner.cors, owner.cors_ref, stream.proxy)
                    self.legacy[id(owner.cors)] = compiled
                found.append(compiled[1])
        return tuple(found)


DETAILS: Final = "cors_response"


def _enabled(policy: CorsPolicy, stream: Stream) -> bool:
    runtime, world = stream.proxy.runtime, stream.world
    enabled = policy.filter_enabled
    if enabled is ALL or enabled.enabled(runtime, world, f"filter_enabled of {policy.ref}"):
        return True
    shadow = policy.shadow_enabled
    if shadow is not None and shadow.enabled(runtime, world, f"shadow_enabled of {policy.ref}"):
        stream.telling.step("http filter", policy.ref, "CORS is only evaluated (shadow_enabled), nothing is changed")
    return False


def _origin_allowed(policies: tuple[CorsPolicy, ...], origin: str) -> bool:
    """A matcher that matches `*` allows every origin."""
    for policy in policies:
        if policy.allow_origins:
            return any(m.matches("*") or m.matches(origin) for m in policy.allow_origins)
    return False


def _first(policies: tuple[CorsPolicy, ...], name: str, default: bool) -> bool:
    for policy in policies:
        value: bool | None = getattr(policy, name)
        if value is not None:
            return value
    return default


def _first_text(policies: tuple[CorsPolicy, ...], name: str) -> str:
    for policy in policies:
        value: str = getattr(policy, name)
        if value:
            return value
    return ""


def _preflight_headers(policies: tuple[CorsPolicy, ...], request: HeaderMap, origin: str) -> ResponseHeaderMap:
    headers = ResponseHeaderMap()
    if origin:
        headers.set("access-control-allow-origin", origin)
    if _first(policies, "allow_credentials", False):
        headers.set("access-control-allow-credentials", "true")
    methods = _first_text(policies, "allow_methods")
    if methods:
        asked = request.get("access-control-request-method") or ""
        headers.set("access-control-allow-methods", asked if methods == "*" else methods)
    allowed = _first_text(policies, "allow_headers")
    if allowed:
        asked = request.get("access-control-request-headers") or ""
        headers.set("access-control-allow-headers", asked if allowed == "*" else allowed)
    max_age = _first_text(policies, "max_age")
    if max_age:
        headers.set("access-control-max-age", max_age)
    private = request.get("access-control-request-private-network") == "true"
    if private and _first(policies, "allow_private_network_access", False):
        headers.set("access-control-allow-private-network", "true")
    return headers


def compile_cors_policy(msg: Msg, ref: Ref, proxy: Proxy) -> CorsPolicy:
    """Compile ``CorsPolicy`` of the filter or of a route (their fields are the same)."""

    def wrapped(name: str) -> bool | None:
        return getattr(msg, name).value if msg.HasField(name) else None

    return CorsPolicy(
        ref,
        compile_string_matchers(msg.allow_origin_string_match, ref.at("allow_origin_string_match")),
        msg.allow_methods,
        msg.allow_headers,
        msg.expose_headers,
        msg.max_age,
        wrapped("allow_credentials"),
        wrapped("allow_private_network_access"),
        wrapped("forward_not_matching_preflights"),
        compile_runtime_fraction(msg.filter_enabled, ref.at("filter_enabled"))
        if msg.HasField("filter_enabled")
        else ALL,
        compile_runtime_fraction(msg.shadow_enabled, ref.at("shadow_enabled"))
        if msg.HasField("shadow_enabled")
        else None,
    )


def _compile(msg: Msg, ref: Ref, proxy: Proxy) -> CorsFilter:
    return CorsFilter(ref, f"{STATE}{ref}")


MODULE: Final = FilterModule(
    "envoy.extensions.filters.http.cors.v3.Cors",
    _compile,
    ("envoy.extensions.filters.http.cors.v3.CorsPolicy",),
    compile_cors_policy,
)
