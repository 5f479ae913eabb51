"""``envoy.type.matcher.v3.FilterStateMatcher`` (``source/common/common/filter_state_object_matchers.cc``)."""

from __future__ import annotations

from collections.abc import Mapping

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from ..schema import Msg
from .cidr_range import IpList, compile_ip_list
from .string_matcher import StringMatcher, compile_string_matcher


@dataclass(frozen=True, slots=True)
class FilterStateMatcher:
    """A compiled matcher on one object of the filter state: as text, or as an address."""

    key: str
    text: StringMatcher | None
    ranges: IpList | None = None
    invert: bool = False

    def matches(self, *states: Mapping[str, object]) -> bool:
        """Tell whether the object passes; ``states`` are asked in turn (request, then connection)."""
        value = self._find(states)
        if value is None:
            return False
        if self.text is not None:
            return self.text.matches(str(value))
        return self.ranges is not None and self.ranges.contains(_address(value)) != self.invert

    def explain(self, *states: Mapping[str, object]) -> str:
        """Say why the object does not pass; "" if it does."""
        if self.matches(*states):
            return ""
        value = self._find(states)
        actual = "missing" if value is None else f"`{value}`"
        wanted = self.text.wanted if self.text is not None else "in the address ranges"
        return f"filter state `{self.key}` must {'not ' if self.invert else ''}be {wanted}, is {actual}"

    def _find(self, states: tuple[Mapping[str, object], ...]) -> object | None:
        return next((s[self.key] for s in states if self.key in s), None)


def _address(value: object) -> str:
    text = str(value)
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def compile_filter_state_matcher(msg: Msg, ref: Ref | None = None) -> FilterStateMatcher:
    """Compile ``msg``."""
    if msg.WhichOneof("matcher") == "address_match":
        match = msg.address_match
        return FilterStateMatcher(msg.key, None, compile_ip_list(match.ranges), match.invert_match)
    return FilterStateMatcher(msg.key, compile_string_matcher(msg.string_match, ref))
