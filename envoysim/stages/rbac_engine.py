"""Role-based access control: who may do what (``source/extensions/filters/common/rbac/engine_impl.cc``).

Shared by the HTTP and the network filter. Policies are asked in the order of their names; the first that matches
decides. In a policy one permission and one principal have to match.
"""

from __future__ import annotations

from typing import Final, Protocol

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from ..model.trace import Rejected
from ..schema import Msg, any_type, enum_name, unpack
from .cel import Unsupported, compile_cel, holds
from .matcher_inputs import HTTP_INPUTS, NETWORK_INPUTS
from .matcher_tree import InputTable, MatcherTree, compile_matcher_tree
from .rbac_rules import Notes, Rule, Subject, all_of, compile_permission, compile_principal, one_of

_BLANKS: Final = str.maketrans(dict.fromkeys(" \t\f\v\n\r", "_"))


@dataclass(frozen=True, slots=True)
class Decision:
    """What an engine decided. ``policy`` is the one that matched, "" for none; ``ref`` is its place.

    ``logged`` is set where the action LOG is in play: the value of the shared access log key.
    """

    allowed: bool
    policy: str
    ref: Ref
    logged: bool | None = None

    @property
    def details(self) -> str:
        """The response code details of a denial; blanks become underscores."""
        return f"rbac_access_denied_matched_policy[{(self.policy or 'none').translate(_BLANKS)}]"


class Engine(Protocol):
    """A set of rules. ``notes`` name what could not be modelled in it."""

    @property
    def ref(self) -> Ref:
        """The place of the rules."""

    @property
    def notes(self) -> tuple[tuple[Ref, str], ...]:
        """What could not be modelled."""

    def decide(self, subject: Subject) -> Decision:
        """Decide about a request or connection."""

    def explain(self, subject: Subject) -> tuple[Rejected, ...]:
        """Name the policies that do not match, each with the first condition that fails."""


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A compiled policy."""

    name: str
    ref: Ref
    rule: Rule


@dataclass(frozen=True, slots=True, eq=False)
class RulesEngine:
    """``rules``: policies in the order of their names, and what follows a match."""

    ref: Ref
    action: str
    policies: tuple[Policy, ...]
    notes: tuple[tuple[Ref, str], ...]

    def decide(self, subject: Subject) -> Decision:
        """Find the first policy that matches."""
        for policy in self.policies:
            if policy.rule.matches(subject):
                return self._decision(policy.name, policy.ref, matched=True)
        return self._decision("", self.ref, matched=False)

    def _decision(self, policy: str, ref: Ref, *, matched: bool) -> Decision:
        if self.action == "LOG":
            return Decision(True, policy, ref, matched)
        return Decision(matched == (self.action == "ALLOW"), policy, ref)

    def explain(self, subject: Subject) -> tuple[Rejected, ...]:
        """Say of every policy up to the one that matches why it does not."""
        found = []
        for policy in self.policies:
            if policy.rule.matches(subject):
                break
            ref, reason = policy.rule.explain(subject)
            found.append(Rejected(ref, f"policy `{policy.name}`: {reason}"))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class MatcherAction:
    """The action ``envoy.config.rbac.v3.Action`` of a matcher tree."""

    name: str
    action: str


@dataclass(frozen=True, slots=True, eq=False)
class MatcherEngine:
    """``matcher``: a matcher tree whose actions allow, deny or log; no match denies."""

    ref: Ref
    tree: MatcherTree[MatcherAction]
    has_log: bool
    notes: tuple[tuple[Ref, str], ...]

    def decide(self, subject: Subject) -> Decision:
        """Ask the tree."""
        found = self.tree.match(subject.data)
        if found is None:
            return Decision(False, "", self.ref)
        action = found.action
        logged = action.action == "LOG" if self.has_log else None
        return Decision(action.action != "DENY", action.name, found.ref, logged)

    def explain(self, subject: Subject) -> tuple[Rejected, ...]:
        """Name the branches that do not match."""
        return tuple(Rejected(ref, reason) for ref, reason in self.tree.explain(subject.data))


def compile_engine(config: Msg, ref: Ref, prefix: str = "", *, network: bool = False) -> Engine | None:
    """Compile ``rules`` or ``matcher`` of an RBAC filter (``prefix="shadow_"`` for the shadow ones).

    The matcher goes before the rules; with neither everything is allowed (``None``).
    """
    if config.HasField(prefix + "matcher"):
        inputs = NETWORK_INPUTS if network else HTTP_INPUTS
        return compile_matcher_engine(getattr(config, prefix + "matcher"), ref.at(prefix + "matcher"), inputs)
    if config.HasField(prefix + "rules"):
        return compile_rules_engine(getattr(config, prefix + "rules"), ref.at(prefix + "rules"), network=network)
    return None


def compile_rules_engine(msg: Msg, ref: Ref, *, network: bool = False) -> RulesEngine:
    """Compile ``envoy.config.rbac.v3.RBAC``."""
    notes: Notes = []
    policies = tuple(
        _compile_policy(name, msg.policies[name], ref.at("policies", name), notes, network)
        for name in sorted(msg.policies)
    )
    return RulesEngine(ref, enum_name(msg, "action"), policies, tuple(notes))


def _compile_policy(name: str, msg: Msg, ref: Ref, notes: Notes, network: bool) -> Policy:
    permissions = [compile_permission(m, ref.at("permissions", i), notes) for i, m in enumerate(msg.permissions)]
    principals = [compile_principal(m, ref.at("principals", i), notes) for i, m in enumerate(msg.principals)]
    rules = [one_of(ref.at("permissions"), permissions), one_of(ref.at("principals"), principals)]
    for field in ("condition", "checked_condition"):
        if msg.HasField(field):
            try:
                expr = msg.condition if field == "condition" else msg.checked_condition.expr
                rules.append(_condition(expr, ref.at(field), network=network))
            except Unsupported as reason:
                said = f"the CEL condition of policy `{name}` is not modelled ({reason}): taken as true"
                notes.append((ref.at(field), said))
    return Policy(name, ref, all_of(ref, rules))


def _condition(expr: Msg, ref: Ref, *, network: bool) -> Rule:
    """A CEL condition; one that fails when it runs does not hold."""
    if network:
        raise Unsupported("of a connection")
    evaluate = compile_cel(expr)
    return Rule(ref, lambda s: holds(evaluate, s.data), lambda s: (ref, "the CEL condition does not hold"))


def compile_matcher_engine(msg: Msg, ref: Ref, inputs: InputTable) -> MatcherEngine:
    """Compile the matcher form."""
    actions: list[MatcherAction] = []

    def action(config: Msg, at: Ref) -> MatcherAction:
        inner = unpack(config.typed_config)
        if inner is None or any_type(config.typed_config) != "envoy.config.rbac.v3.Action":
            return MatcherAction(config.name, "DENY")
        made = MatcherAction(inner.name, enum_name(inner, "action"))
        actions.append(made)
        return made

    tree = compile_matcher_tree(msg, ref, inputs, action)
    return MatcherEngine(ref, tree, any(a.action == "LOG" for a in actions), tree.notes)
