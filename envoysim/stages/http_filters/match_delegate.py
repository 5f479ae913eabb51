"""A filter behind a matcher (``source/extensions/filters/http/match_delegate/config.cc``).

The matcher skips the filter, or, where it is a composite one, chooses what it does. Without a matcher the filter is
skipped; without a match it runs as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...model.reply import Response
from ...schema import Msg, any_type
from ..matcher_tree import MatcherTree, compile_matcher_tree
from ..response_inputs import INPUTS, needs_response, show_response
from .base import DecoderOnly, FilterModule, Verdict
from .composite import (
    AnyOverride,
    Composite,
    Delegate,
    Execute,
    compile_action,
    compile_delegate,
    compile_inner_override,
)

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

PREFIX: Final = "envoy.extensions.common.matching.v3."
SKIP: Final = "envoy.extensions.filters.common.matcher.action.v3.SkipFilter"


@dataclass(frozen=True, slots=True)
class Skip:
    """``SkipFilter``."""


@dataclass(frozen=True, slots=True, eq=False)
class Matcher:
    """A compiled matcher; ``late`` ones look at the response."""

    tree: MatcherTree[Skip | Execute | None]
    late: bool


@dataclass(frozen=True, slots=True, eq=False)
class MatchDelegate:
    """The compiled ``ExtensionWithMatcher``."""

    ref: Ref
    key: str
    matcher: Matcher | None
    delegate: Delegate

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Skip the filter, or let it see the request."""
        if self._skips(stream, overrides, late=False):
            return None
        return self.delegate.filter.decode(stream, self.delegate.own(overrides))

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Skip the filter, or let it see the response."""
        show_response(stream, response)
        if self._skips(stream, overrides, late=True) or isinstance(self.delegate.filter, DecoderOnly):
            return None
        return self.delegate.filter.encode(stream, response, self.delegate.own(overrides))

    def _skips(self, stream: Stream, overrides: tuple[object, ...], *, late: bool) -> bool:
        decided = stream.facts.get(self.key)
        if decided is not None:
            return decided is SKIPPED
        matcher = next((o for o in reversed(overrides) if isinstance(o, Matcher)), self.matcher)
        if matcher is None:
            stream.facts[self.key] = SKIPPED
            return True
        if matcher.late and not late:
            return False
        for ref, note in matcher.tree.notes:
            stream.telling.note(ref, note)
        found = matcher.tree.match(stream)
        action = found.action if found is not None else None
        skips = found is not None and not isinstance(action, Execute)
        stream.facts[self.key] = SKIPPED if skips else RUNS
        if skips:
            assert found is not None
            stream.telling.step("http filter", found.ref, "filter `{}` is skipped", self.delegate.name)
        elif isinstance(action, Execute) and isinstance(self.delegate.filter, Composite):
            self.delegate.filter.execute(stream, action)
        return skips


SKIPPED: Final = "skipped"
RUNS: Final = "runs"


def _compile_matcher(msg: Msg, ref: Ref, proxy: Proxy) -> Matcher | None:
    name = "xds_matcher" if msg.HasField("xds_matcher") else "matcher"
    if name not in msg.DESCRIPTOR.fields_by_name or not msg.HasField(name):
        return None

    def action(config: Msg, at: Ref) -> Skip | Execute | None:
        return Skip() if any_type(config.typed_config) == SKIP else compile_action(config, at, proxy)

    matcher = getattr(msg, name)
    return Matcher(compile_matcher_tree(matcher, ref.at(name), INPUTS, action), needs_response(matcher))


def compile_match_delegate(msg: Msg, ref: Ref, proxy: Proxy) -> MatchDelegate:
    """Compile ``ExtensionWithMatcher``."""
    return MatchDelegate(
        ref,
        f"match_delegate:{ref.source}{ref}",
        _compile_matcher(msg, ref, proxy),
        compile_delegate(msg.extension_config, ref.at("extension_config"), proxy),
    )


def compile_override(msg: Msg, ref: Ref, proxy: Proxy) -> object:
    """Compile ``ExtensionWithMatcherPerRoute``, or a per-route configuration of the filter inside."""
    if msg.DESCRIPTOR.full_name == PREFIX + "ExtensionWithMatcherPerRoute":
        return _compile_matcher(msg, ref, proxy)
    return compile_inner_override(msg, ref, proxy)


MODULE: Final = FilterModule(PREFIX + "ExtensionWithMatcher", compile_match_delegate, AnyOverride(), compile_override)
