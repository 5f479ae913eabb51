"""``envoy.config.route.v3.CookieMatcher`` and the parsing of cookies (``Http::Utility::parseCookies``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..lazy_dataclass import dataclass
from ..model.headers import HeaderMap
from ..model.ref import Ref
from ..schema import Msg
from .string_matcher import StringMatcher, compile_string_matcher


def iterate_cookies(headers: HeaderMap) -> Iterator[tuple[str, str]]:
    """Yield name and value of every cookie in order: spaces before a name are cut, quotes around a value too."""
    for line in headers.get_all("cookie"):
        for part in line.split(";"):
            name, equals, value = part.partition("=")
            if not equals:
                continue
            if len(value) >= 2 and value[0] == value[-1] == '"':
                value = value[1:-1]
            yield name.lstrip(" "), value


def parse_cookies(headers: HeaderMap) -> dict[str, str]:
    """Return the first value of every cookie."""
    cookies: dict[str, str] = {}
    for name, value in iterate_cookies(headers):
        cookies.setdefault(name, value)
    return cookies


@dataclass(frozen=True, slots=True)
class CookieMatcher:
    """A compiled matcher on one cookie; a missing cookie matches only an inverted one."""

    name: str
    value: StringMatcher
    invert: bool

    def matches(self, cookies: Mapping[str, str]) -> bool:
        """Tell whether the parsed cookies pass."""
        value = cookies.get(self.name)
        return (value is not None and self.value.matches(value)) != self.invert

    def __str__(self) -> str:
        return f"cookie `{self.name}` {'not ' if self.invert else ''}{self.value.wanted}"

    def explain(self, cookies: Mapping[str, str]) -> str:
        """Say why the cookies do not pass; "" if they do."""
        if self.matches(cookies):
            return ""
        value = cookies.get(self.name)
        actual = "missing" if value is None else f"`{value}`"
        return f"cookie `{self.name}` must {'not ' if self.invert else ''}be {self.value.wanted}, is {actual}"

    @property
    def note(self) -> str:
        """What could not be modelled."""
        return self.value.note


def compile_cookie_matcher(msg: Msg, ref: Ref | None = None) -> CookieMatcher:
    """Compile ``msg``."""
    return CookieMatcher(msg.name, compile_string_matcher(msg.string_match, ref), msg.invert_match)
