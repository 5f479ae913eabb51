"""Values written into filter state (``source/extensions/filters/common/set_filter_state/filter_config.cc``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..model.address import parse_address
from ..model.ref import Ref
from ..schema import Msg
from .substitution_format import Formatter, compile_substitution_format

if TYPE_CHECKING:
    from .stream import Stream

ADDRESSES: Final = frozenset(
    {
        "envoy.filters.listener.original_dst.local_ip",
        "envoy.filters.listener.original_dst.remote_ip",
        "envoy.network.transport_socket.original_dst_address",
        "envoy.network.upstream_bind_override",
    }
)
"""Objects that are addresses: made from nothing but ``ip:port``."""


@dataclass(frozen=True, slots=True)
class FilterStateValue:
    """A compiled ``FilterStateValue``. Objects are kept as the text they are made from."""

    ref: Ref
    key: str
    factory: str
    format: Formatter
    skip_if_empty: bool

    def set(self, stream: Stream, stage: str = "http filter") -> None:
        """Format the value and keep it."""
        text = self.format.format(stream, None)
        if (not text and self.skip_if_empty) or (self.factory in ADDRESSES and not _is_address(text)):
            stream.telling.step(stage, self.ref, "filter state `{}` not set: `{}`", self.key, text)
            return
        stream.filter_state[self.key] = text
        stream.telling.step(stage, self.ref, "filter state `{}` = `{}`", self.key, text)


def _is_address(text: str) -> bool:
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def compile_filter_state_values(msgs: Iterable[Msg], ref: Ref) -> tuple[FilterStateValue, ...]:
    """Compile a repeated ``envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue``."""
    return tuple(_compile(msg, ref.at(index)) for index, msg in enumerate(msgs))


def _compile(msg: Msg, ref: Ref) -> FilterStateValue:
    template = compile_substitution_format(msg.format_string, ref.at("format_string"))
    return FilterStateValue(ref, msg.object_key, msg.factory_key or msg.object_key, template, msg.skip_if_empty)
