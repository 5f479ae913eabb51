"""A listener's ``filter_chain_matcher``: a matcher tree names the chain, every ``filter_chain_match`` is ignored.

Source: ``FilterChainManagerImpl::findFilterChainUsingMatcher``, ``source/extensions/matching/actions/format_string``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..schema import Msg, any_type, unpack
from .matcher_inputs import NETWORK_INPUTS
from .matcher_tree import Found, MatcherTree, compile_matcher_tree

if TYPE_CHECKING:
    from ..model.ref import Ref
    from .proxy import Proxy
    from .stream import DownstreamConnection, Telling

NAME: Final = "google.protobuf.StringValue"
FORMAT: Final = "envoy.config.core.v3.SubstitutionFormatString"


@dataclass(frozen=True, slots=True)
class ChainAction:
    """The chain's name, or (``unmodelled``) why it cannot be told."""

    name: str
    unmodelled: str = ""


@dataclass(frozen=True, slots=True)
class FilterChainMatcher:
    """The compiled tree; its actions are names of filter chains."""

    ref: Ref
    tree: MatcherTree[ChainAction]

    def choose(self, connection: DownstreamConnection, telling: Telling) -> str | None:
        """Return the name the tree decides for; ``None`` where nothing matches."""
        for ref, text in self.tree.notes:
            telling.note(ref, text)
        passed_over: list[Found[ChainAction]] = []
        found = self.tree.match(connection, passed_over)
        if passed_over:
            telling.note(passed_over[0].ref, "`keep_matching` in a filter chain matcher crashes Envoy 1.40")
        if found is None:
            return None
        if found.action.unmodelled:
            telling.note(found.ref, found.action.unmodelled)
        return found.action.name


def compile_filter_chain_matcher(msg: Msg, ref: Ref, proxy: Proxy) -> FilterChainMatcher:
    """Compile ``Listener.filter_chain_matcher``."""
    return FilterChainMatcher(ref, compile_matcher_tree(msg, ref, NETWORK_INPUTS, _action))


def _action(msg: Msg, ref: Ref) -> ChainAction:
    kind, config = any_type(msg.typed_config), unpack(msg.typed_config)
    if kind == NAME and config is not None:
        return ChainAction(config.value)
    if kind == FORMAT and config is not None:
        text = config.text_format_source.inline_string or config.text_format
        if text and "%" not in text:
            return ChainAction(text)
        return ChainAction("", f"the chain's name is a format that is not modelled: `{text}`")
    return ChainAction("", f"filter chain action `{kind or msg.name}` is not modelled")
