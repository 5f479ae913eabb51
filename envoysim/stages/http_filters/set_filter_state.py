"""Filter state from the request (``source/extensions/filters/http/set_filter_state/config.cc``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...schema import Msg
from ..set_filter_state import FilterStateValue, compile_filter_state_values
from .base import DecoderOnly, FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

TYPE: Final = "envoy.extensions.filters.http.set_filter_state.v3.Config"


@dataclass(frozen=True, slots=True)
class SetFilterState(DecoderOnly):
    """A compiled ``Config``; those of routes are applied after the filter's own, least specific first."""

    ref: Ref
    values: tuple[FilterStateValue, ...]
    clear_route_cache: bool

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Write the values."""
        for config in (self, *overrides):
            assert isinstance(config, SetFilterState)
            for value in config.values:
                value.set(stream)
        if self.clear_route_cache:
            stream.clear_route_cache()
        return None


def compile_set_filter_state(msg: Msg, ref: Ref, proxy: Proxy) -> SetFilterState:
    """Compile ``envoy.extensions.filters.http.set_filter_state.v3.Config``."""
    values = compile_filter_state_values(msg.on_request_headers, ref.at("on_request_headers"))
    return SetFilterState(ref, values, msg.clear_route_cache)


MODULE: Final = FilterModule(TYPE, compile_set_filter_state, (TYPE,), compile_set_filter_state)
