"""``StringMatcher`` of ``envoy.type.matcher.v3`` and ``xds.type.matcher.v3`` (``source/common/common/matchers.h``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from ..schema import Msg
from .regex import compile_regex

Test = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class StringMatcher:
    """A compiled matcher: ``matches`` is the test itself, ``wanted`` says in words what it asks for.

    ``note`` is not empty where the matcher could not be modelled; it then matches nothing.
    """

    matches: Test
    wanted: str
    note: str = ""

    def explain(self, value: str | None) -> str:
        """Say why ``value`` does not match; "" if it does."""
        if value is not None and self.matches(value):
            return ""
        return f"wants {self.wanted}, is missing" if value is None else f"wants {self.wanted}, is `{value}`"


def compile_string_matcher(msg: Msg, ref: Ref | None = None) -> StringMatcher:
    """Compile ``msg``; ``ref`` is the matcher's place."""
    kind = msg.WhichOneof("match_pattern")
    if kind == "safe_regex":
        return regex_matcher(msg.safe_regex.regex)
    if kind in ("exact", "prefix", "suffix", "contains"):
        return text_matcher(kind, getattr(msg, kind), msg.ignore_case)
    name = msg.custom.name if kind == "custom" else "none"
    return StringMatcher(_never, f"custom string matcher `{name}`", note=f"string matcher `{name}` is not modelled")


def compile_string_matchers(msgs: Iterable[Msg], ref: Ref) -> tuple[StringMatcher, ...]:
    """Compile a repeated field found at ``ref``."""
    return tuple(compile_string_matcher(m, ref.at(i)) for i, m in enumerate(msgs))


def regex_matcher(pattern: str) -> StringMatcher:
    """Match ``pattern`` against the whole value."""
    regex = compile_regex(pattern)
    note = f"RE2 refuses `{pattern}`: {regex.error}" if regex.error else ""
    return StringMatcher(regex.matches, f"regex `{pattern}`", note=note)


def text_matcher(kind: str, text: str, ignore_case: bool = False) -> StringMatcher:
    """Make an ``exact``, ``prefix``, ``suffix`` or ``contains`` matcher; case is folded for ASCII only."""
    wanted = f"{kind} `{text}`" + (" in any case" if ignore_case else "")
    if ignore_case:
        folded = ascii_lower(text)
        return StringMatcher(_FOLDED[kind](folded), wanted)
    return StringMatcher(_PLAIN[kind](text), wanted)


_PLAIN: dict[str, Callable[[str], Test]] = {
    "exact": lambda text: text.__eq__,
    "prefix": lambda text: lambda value: value.startswith(text),
    "suffix": lambda text: lambda value: value.endswith(text),
    "contains": lambda text: lambda value: text in value,
}
_FOLDED: dict[str, Callable[[str], Test]] = {
    "exact": lambda text: lambda value: ascii_lower(value) == text,
    "prefix": lambda text: lambda value: ascii_lower(value).startswith(text),
    "suffix": lambda text: lambda value: ascii_lower(value).endswith(text),
    "contains": lambda text: lambda value: text in ascii_lower(value),
}

_UPPER_TO_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def ascii_lower(text: str) -> str:
    """Lower-case ASCII letters only, as Envoy does."""
    return text.lower() if text.isascii() else text.translate(_UPPER_TO_LOWER)


def _never(value: str) -> bool:
    return False
