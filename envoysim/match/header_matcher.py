"""``envoy.config.route.v3.HeaderMatcher`` (``HeaderUtility::HeaderDataBaseImpl``, ``header_utility.h``).

A header sent on several lines is matched line by line (``match_headers_individually``), not joined: a matcher passes
if any value does, an inverted one if none does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ..lazy_dataclass import dataclass
from ..model.headers import HeaderMap
from ..model.ref import Ref
from ..schema import Msg
from .string_matcher import StringMatcher, Test, compile_string_matcher, regex_matcher, text_matcher

_INTEGER: Final = re.compile(r"[ \t\n\v\f\r]*[+-]?[0-9]+[ \t\n\v\f\r]*")
_LEGACY: Final = {
    "exact_match": "exact",
    "prefix_match": "prefix",
    "suffix_match": "suffix",
    "contains_match": "contains",
}


@dataclass(frozen=True, slots=True)
class HeaderMatcher:
    """A compiled matcher on one header. ``test`` is ``None`` where only presence counts (``present``)."""

    name: str
    test: Test | None
    wanted: str
    present: bool = True
    invert: bool = False
    missing_is_empty: bool = False
    note: str = ""

    def matches(self, headers: HeaderMap) -> bool:
        """Tell whether ``headers`` pass."""
        name, test = self.name, self.test
        if test is None:
            here = self.missing_is_empty or name in headers
            return here == (self.present != self.invert)
        found = False
        for line, value in headers.items:
            if line == name:
                if test(value):
                    return not self.invert
                found = True
        if found:
            return self.invert
        return self.missing_is_empty and test("") != self.invert

    def __str__(self) -> str:
        if self.test is None:
            return f"header `{self.name}` {'present' if self.present != self.invert else 'absent'}"
        return f"header `{self.name}` {'not ' if self.invert else ''}{self.wanted}"

    def explain(self, headers: HeaderMap) -> str:
        """Say which condition fails and what is there instead; "" if none does."""
        if self.matches(headers):
            return ""
        values = headers.get_all(self.name)
        actual = ", ".join(f"`{v}`" for v in values) if values else "missing"
        if self.test is None:
            wanted = "present" if self.present != self.invert else "absent"
            return f"header `{self.name}` must be {wanted}, is {actual}"
        negation = "not " if self.invert else ""
        return f"header `{self.name}` must {negation}be {self.wanted}, is {actual}"


def compile_header_matcher(msg: Msg, ref: Ref | None = None) -> HeaderMatcher:
    """Compile ``msg``; the deprecated specifiers mean what their ``string_match`` does."""
    name = _slot(msg.name)
    kind = msg.WhichOneof("header_match_specifier")
    invert, missing = msg.invert_match, msg.treat_missing_header_as_empty
    if kind is None or kind == "present_match":
        present = kind is None or msg.present_match
        return HeaderMatcher(name, None, "present", present, invert, missing)
    if kind == "range_match":
        start, end = msg.range_match.start, msg.range_match.end
        return HeaderMatcher(name, _range(start, end), f"in [{start}, {end})", True, invert, missing)
    matcher = _value_matcher(msg, kind, ref)
    return HeaderMatcher(name, matcher.matches, matcher.wanted, True, invert, missing, matcher.note)


def compile_header_matchers(msgs: Iterable[Msg], ref: Ref) -> tuple[HeaderMatcher, ...]:
    """Compile a repeated field found at ``ref``; all of them have to pass."""
    return tuple(compile_header_matcher(m, ref.at(i)) for i, m in enumerate(msgs))


def exact_headers(msgs: Iterable[Msg]) -> dict[str, str]:
    """Return the values that headers must have exactly, without compiling: none of them can be left out."""
    wanted: dict[str, str] = {}
    for msg in msgs:
        if msg.invert_match or msg.treat_missing_header_as_empty:
            continue
        kind = msg.WhichOneof("header_match_specifier")
        if kind == "string_match" and msg.string_match.WhichOneof("match_pattern") == "exact":
            if not msg.string_match.ignore_case:
                wanted[_slot(msg.name)] = msg.string_match.exact
        elif kind == "exact_match" and msg.exact_match:
            wanted[_slot(msg.name)] = msg.exact_match
    return wanted


def _slot(name: str) -> str:
    """Return the name under which the request header map keeps a header: ``host`` is ``:authority``."""
    name = name.lower()
    return ":authority" if name == "host" else name


def _value_matcher(msg: Msg, kind: str, ref: Ref | None) -> StringMatcher:
    if kind == "string_match":
        return compile_string_matcher(msg.string_match, ref)
    if kind == "safe_regex_match":
        return regex_matcher(msg.safe_regex_match.regex)
    text = getattr(msg, kind)
    if kind == "exact_match" and not text:
        return StringMatcher(lambda value: True, "anything")
    return text_matcher(_LEGACY[kind], text)


def _range(start: int, end: int) -> Test:
    def test(value: str) -> bool:
        number = parse_int64(value)
        return number is not None and start <= number < end

    return test


def parse_int64(text: str) -> int | None:
    """Read a signed 64-bit decimal the way ``absl::SimpleAtoi`` does."""
    if not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if -(1 << 63) <= number < 1 << 63 else None


def parse_uint64(text: str) -> int | None:
    """Read an unsigned 64-bit decimal the way ``absl::SimpleAtoi`` does."""
    if not _INTEGER.fullmatch(text) or text.lstrip()[0] == "-":
        return None
    number = int(text)
    return number if number < 1 << 64 else None
