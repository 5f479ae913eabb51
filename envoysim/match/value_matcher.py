"""``ValueMatcher`` and ``MetadataMatcher`` of ``envoy.type.matcher.v3`` (``source/common/common/matchers.cc``).

Values are plain Python, as ``google.protobuf.Value`` maps to it; ``MISSING`` stands for a value that is not set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from ..schema import Msg
from .string_matcher import compile_string_matcher


class _Missing:
    def __repr__(self) -> str:
        return "not set"


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class ValueMatcher:
    """A compiled matcher on a value."""

    matches: Callable[[object], bool]
    wanted: str


def compile_value_matcher(msg: Msg, ref: Ref | None = None) -> ValueMatcher:
    """Compile ``msg``; one without a pattern matches nothing."""
    kind = msg.WhichOneof("match_pattern")
    return _COMPILERS[kind](msg, ref) if kind in _COMPILERS else ValueMatcher(lambda value: False, "nothing")


def _null(msg: Msg, ref: Ref | None) -> ValueMatcher:
    return ValueMatcher(lambda value: value is None, "null")


def _double(msg: Msg, ref: Ref | None) -> ValueMatcher:
    pattern = msg.double_match
    if pattern.WhichOneof("match_pattern") == "exact":
        exact = pattern.exact
        return ValueMatcher(lambda value: is_number(value) and value == exact, f"{exact:g}")
    start, end = pattern.range.start, pattern.range.end
    return ValueMatcher(
        lambda value: isinstance(value, (int, float)) and is_number(value) and start <= value < end,
        f"in [{start:g}, {end:g})",
    )


def _string(msg: Msg, ref: Ref | None) -> ValueMatcher:
    matcher = compile_string_matcher(msg.string_match, ref)
    return ValueMatcher(lambda value: isinstance(value, str) and matcher.matches(value), matcher.wanted)


def _bool(msg: Msg, ref: Ref | None) -> ValueMatcher:
    wanted = msg.bool_match
    return ValueMatcher(lambda value: value is wanted, str(wanted).lower())


def _present(msg: Msg, ref: Ref | None) -> ValueMatcher:
    # `present_match: false` matches nothing, not even a missing value.
    wanted = msg.present_match
    return ValueMatcher(lambda value: wanted and value is not MISSING, "present" if wanted else "nothing")


def _list(msg: Msg, ref: Ref | None) -> ValueMatcher:
    item = compile_value_matcher(msg.list_match.one_of, ref)
    return ValueMatcher(
        lambda value: isinstance(value, list) and any(map(item.matches, value)), f"a list with one {item.wanted}"
    )


def _or(msg: Msg, ref: Ref | None) -> ValueMatcher:
    choices = tuple(compile_value_matcher(m, ref) for m in msg.or_match.value_matchers)
    return ValueMatcher(lambda value: any(c.matches(value) for c in choices), " or ".join(c.wanted for c in choices))


_COMPILERS: Final[dict[str, Callable[[Msg, Ref | None], ValueMatcher]]] = {
    "null_match": _null,
    "double_match": _double,
    "string_match": _string,
    "bool_match": _bool,
    "present_match": _present,
    "list_match": _list,
    "or_match": _or,
}


def is_number(value: object) -> bool:
    """Tell numbers from booleans."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def metadata_value(metadata: Mapping[str, object], filter_name: str, path: tuple[str, ...]) -> object:
    """Walk ``path`` below the filter's metadata (``Config::Metadata::metadataValue``)."""
    value = metadata.get(filter_name, MISSING)
    if value is MISSING or not path:
        return MISSING
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return MISSING
        value = value[key]
    return value


@dataclass(frozen=True, slots=True)
class MetadataMatcher:
    """A compiled matcher on dynamic metadata."""

    filter_name: str
    path: tuple[str, ...]
    value: ValueMatcher
    invert: bool

    def matches(self, metadata: Mapping[str, object]) -> bool:
        """Tell whether ``metadata`` (by filter name) passes."""
        return self.value.matches(metadata_value(metadata, self.filter_name, self.path)) != self.invert

    def explain(self, metadata: Mapping[str, object]) -> str:
        """Say why ``metadata`` does not pass; "" if it does."""
        if self.matches(metadata):
            return ""
        actual = metadata_value(metadata, self.filter_name, self.path)
        where = ".".join((self.filter_name, *self.path))
        return f"metadata `{where}` must {'not ' if self.invert else ''}be {self.value.wanted}, is {actual!r}"


def compile_metadata_matcher(msg: Msg, ref: Ref | None = None) -> MetadataMatcher:
    """Compile ``msg``."""
    path = tuple(segment.key for segment in msg.path)
    return MetadataMatcher(msg.filter, path, compile_value_matcher(msg.value, ref), msg.invert)
