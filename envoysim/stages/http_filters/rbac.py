"""RBAC on requests (``source/extensions/filters/http/rbac/rbac_filter.cc``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...model.reply import LocalReply
from ...schema import Msg
from ..rbac_engine import Decision, Engine, compile_engine
from ..rbac_rules import Subject, request_subject
from .base import DecoderOnly, FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

NAMESPACE: Final = "envoy.filters.http.rbac"
COMMON_NAMESPACE: Final = "envoy.common"
WORDS: Final = {True: "allowed", False: "denied"}


@dataclass(frozen=True, slots=True)
class Rbac(DecoderOnly):
    """A compiled ``RBAC``: the filter's own, or a route's, which replaces it as a whole."""

    ref: Ref
    engine: Engine | None
    shadow: Engine | None
    prefix: str = ""
    shadow_prefix: str = ""
    track_per_rule_stats: bool = False

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Ask the shadow rules, then those that count."""
        rules = overrides[-1] if overrides else self
        assert isinstance(rules, Rbac)
        engine, shadow = rules.engine, rules.shadow
        if engine is None and shadow is None:
            stream.telling.step("http filter", rules.ref, "RBAC allows: there are no rules")
            return None
        subject = request_subject(stream)
        # A route's prefix replaces the filter's in metadata; counters keep the filter's.
        prefix = rules.prefix or self.prefix
        shadow_prefix = rules.shadow_prefix or self.shadow_prefix
        metadata = stream.metadata.setdefault(NAMESPACE, {})
        if shadow is not None:
            decision = self._ask(stream, shadow, subject, "shadow_", rules.track_per_rule_stats)
            if decision.policy:
                metadata[shadow_prefix + "shadow_effective_policy_id"] = decision.policy
            metadata[shadow_prefix + "shadow_engine_result"] = WORDS[decision.allowed]
        if engine is None:
            return None
        decision = self._ask(stream, engine, subject, "", rules.track_per_rule_stats)
        if decision.policy:
            metadata[prefix + "enforced_effective_policy_id"] = decision.policy
        metadata[prefix + "enforced_engine_result"] = WORDS[decision.allowed]
        if decision.logged is not None:
            stream.metadata.setdefault(COMMON_NAMESPACE, {})["access_log_hint"] = decision.logged
        return None if decision.allowed else LocalReply(403, decision.details, "RBAC: access denied")

    def _ask(self, stream: Stream, engine: Engine, subject: Subject, prefix: str, per_rule: bool) -> Decision:
        telling = stream.telling
        for ref, note in engine.notes:
            telling.note(ref, note)
        decision = engine.decide(subject)
        word = WORDS[decision.allowed]
        stats_prefix = f"http.{stream.hcm.stat_prefix}.rbac.{_dotted(self.shadow_prefix if prefix else self.prefix)}"
        telling.count(f"{stats_prefix}{prefix}{word}")
        if per_rule and decision.policy:
            telling.count(f"{stats_prefix}policy.{decision.policy}.{prefix}{word}")
        rejected = engine.explain(subject) if telling.explain else ()
        template = (
            "RBAC {}{} the request: policy `{}`" if decision.policy else "RBAC {}{} the request: no policy matches"
        )
        telling.step(
            "http filter",
            decision.ref,
            template,
            "shadow rules: would have " if prefix else "",
            word,
            decision.policy,
            losers=lambda: rejected,
        )
        return decision


def _dotted(prefix: str) -> str:
    return prefix if not prefix or prefix.endswith(".") else prefix + "."


def compile_rbac(msg: Msg, ref: Ref, proxy: Proxy) -> Rbac:
    """Compile ``envoy.extensions.filters.http.rbac.v3.RBAC``."""
    return Rbac(
        ref,
        compile_engine(msg, ref),
        compile_engine(msg, ref, "shadow_"),
        msg.rules_stat_prefix,
        msg.shadow_rules_stat_prefix,
        msg.track_per_rule_stats,
    )


def _compile_per_route(msg: Msg, ref: Ref, proxy: Proxy) -> Rbac:
    return compile_rbac(msg.rbac, ref.at("rbac"), proxy)


MODULE: Final = FilterModule(
    "envoy.extensions.filters.http.rbac.v3.RBAC",
    compile_rbac,
    ("envoy.extensions.filters.http.rbac.v3.RBACPerRoute",),
    _compile_per_route,
)
