"""CSRF (``source/extensions/filters/http/csrf/csrf_filter.cc``): where a changing request comes from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...match.string_matcher import StringMatcher, compile_string_matchers
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...model.reply import LocalReply
from ...schema import Msg
from ..runtime import RuntimeFraction, compile_runtime_fraction
from .base import DecoderOnly, FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

MODIFYING: Final = frozenset({"POST", "PUT", "DELETE", "PATCH"})
_URL: Final = re.compile(
    r"[A-Za-z]+://(?:[^/?#@]*@)?((?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?)(?:[/?#].*)?"
)


@dataclass(frozen=True, slots=True)
class Csrf(DecoderOnly):
    """A compiled ``CsrfPolicy``: the filter's, or the most specific of the route's, which replaces it."""

    ref: Ref
    filter_enabled: RuntimeFraction
    shadow_enabled: RuntimeFraction | None
    additional_origins: tuple[StringMatcher, ...]

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Refuse a modifying request whose origin is neither the host itself nor an additional one."""
        policy = overrides[-1] if overrides else self
        assert isinstance(policy, Csrf)
        runtime, world = stream.proxy.runtime, stream.world
        enabled = policy.filter_enabled.enabled(runtime, world, f"filter_enabled of {policy.ref}")
        shadow = policy.shadow_enabled
        if not enabled and (shadow is None or not shadow.enabled(runtime, world, f"shadow_enabled of {policy.ref}")):
            return None
        headers, telling = stream.headers, stream.telling
        if headers.get(":method") not in MODIFYING:
            return None
        source, target = source_origin(headers), _target_origin(headers)
        stats = f"http.{stream.hcm.stat_prefix}.csrf."
        if source and (source == target or any(m.matches(source) for m in policy.additional_origins)):
            telling.count(stats + "request_valid")
            telling.step("http filter", policy.ref, "CSRF: origin `{}` is accepted", source)
            return None
        telling.count(stats + ("request_invalid" if source else "missing_source_origin"))
        telling.step(
            "http filter",
            policy.ref.at("additional_origins"),
            "CSRF {}: origin `{}` is not `{}` and none of the additional origins",
            "refuses the request" if enabled else "would refuse the request (shadow)",
            source,
            target,
        )
        return LocalReply(403, "csrf_origin_mismatch", "Invalid origin") if enabled else None


def host_and_port(url: str) -> str:
    """Return host and port of an absolute URL; any other text as it is (``hostAndPort``)."""
    found = _URL.fullmatch(url)
    return found[1] if found is not None else url


def source_origin(headers: HeaderMap) -> str:
    """Return where the request says it comes from: ``origin``, else ``referer``; "" for `null`."""
    origin = headers.get("origin") or ""
    if origin == "null":
        return ""
    return host_and_port(origin) or host_and_port(headers.get("referer") or "")


def _target_origin(headers: HeaderMap) -> str:
    host = headers.get(":authority")
    return host_and_port(f"{headers.get(':scheme') or 'http'}://{host}") if host else ""


def compile_csrf(msg: Msg, ref: Ref, proxy: Proxy) -> Csrf:
    """Compile ``CsrfPolicy`` of the filter or of a route."""
    return Csrf(
        ref,
        compile_runtime_fraction(msg.filter_enabled, ref.at("filter_enabled")),
        compile_runtime_fraction(msg.shadow_enabled, ref.at("shadow_enabled"))
        if msg.HasField("shadow_enabled")
        else None,
        compile_string_matchers(msg.additional_origins, ref.at("additional_origins")),
    )


TYPE: Final = "envoy.extensions.filters.http.csrf.v3.CsrfPolicy"
MODULE: Final = FilterModule(TYPE, compile_csrf, (TYPE,), compile_csrf)
