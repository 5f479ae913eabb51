"""A list of filters in one entry (``source/extensions/filters/http/filter_chain``).

Routes add lists of their own; of filters with the same name the most specific one is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...model.reply import Response
from ...schema import Msg
from .base import FilterModule, Verdict
from .composite import Delegate, compile_delegate, decode_through, encode_through

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

PREFIX: Final = "envoy.extensions.filters.http.filter_chain.v3."


@dataclass(frozen=True, slots=True, eq=False)
class FilterChain:
    """A compiled list: the filter's own, or a route's."""

    ref: Ref
    key: str
    delegates: tuple[Delegate, ...]

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Let the filters of all lists see the request."""
        chosen = self._choose(overrides)
        stream.facts[self.key] = chosen
        return decode_through(chosen, stream, ()) if chosen else None

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Let them see the response."""
        chosen = stream.facts.get(self.key)
        if not isinstance(chosen, tuple):
            chosen = self._choose(overrides)
        return encode_through(chosen, stream, response, ()) if chosen else None

    def _choose(self, overrides: tuple[object, ...]) -> tuple[Delegate, ...]:
        lists = [self.delegates, *(o.delegates for o in overrides if isinstance(o, FilterChain))]
        chosen: list[Delegate] = []
        for index, delegates in enumerate(lists):
            later = {delegate.name for following in lists[index + 1 :] for delegate in following}
            chosen += [delegate for delegate in delegates if delegate.name not in later]
        return tuple(chosen)


def compile_filter_chain(msg: Msg, ref: Ref, proxy: Proxy) -> FilterChain:
    """Compile ``FilterChainConfig`` or ``FilterChainConfigPerRoute``."""
    name = "filter_chain" if "filter_chain" in msg.DESCRIPTOR.fields_by_name else "default_filter_chain"
    at = ref.at(name, "filters")
    delegates = tuple(compile_delegate(m, at.at(i), proxy) for i, m in enumerate(getattr(msg, name).filters))
    return FilterChain(ref, f"filter_chain:{ref.source}{ref}", delegates)


MODULE: Final = FilterModule(
    PREFIX + "FilterChainConfig", compile_filter_chain, (PREFIX + "FilterChainConfigPerRoute",), compile_filter_chain
)
