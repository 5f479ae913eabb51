"""``envoy.config.route.v3.QueryParameterMatcher`` (``ConfigUtility::QueryParameterMatcher``).

Nothing is percent-decoded, names are case-sensitive, and only the first of repeated values counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from ..schema import Msg
from .string_matcher import StringMatcher, compile_string_matcher


@lru_cache(maxsize=1024)
def parse_query(path: str) -> Mapping[str, str]:
    """Return the first value of each query parameter of ``path`` (``QueryParamsMulti::parseQueryString``)."""
    _, mark, query = path.partition("?")
    params: dict[str, str] = {}
    if mark and query:
        # A trailing `&` ends the last parameter; it does not start an empty one.
        for parameter in query.removesuffix("&").split("&"):
            name, _, value = parameter.partition("=")
            params.setdefault(name, value)
    return params


def parse_and_decode_query(path: str) -> Mapping[str, str]:
    """Return the first value of each parameter, names and values percent-decoded (``parseAndDecodeQueryString``)."""
    _, mark, query = path.partition("?")
    params: dict[str, str] = {}
    if mark and query:
        for parameter in query.removesuffix("&").split("&"):
            name, _, value = parameter.partition("=")
            params.setdefault(unquote(name), unquote(value))
    return params


@dataclass(frozen=True, slots=True)
class QueryParameterMatcher:
    """A compiled matcher on one query parameter; ``present`` is ``None`` where the value is matched."""

    name: str
    present: bool | None
    value: StringMatcher | None

    def matches(self, params: Mapping[str, str]) -> bool:
        """Tell whether the parsed parameters pass."""
        value = params.get(self.name)
        if self.present is not None:
            return (value is not None) == self.present
        return value is not None and (self.value is None or self.value.matches(value))

    def __str__(self) -> str:
        wanted = self.value.wanted if self.value is not None else "absent" if self.present is False else "present"
        return f"query parameter `{self.name}` {wanted}"

    def explain(self, params: Mapping[str, str]) -> str:
        """Say why the parameters do not pass; "" if they do."""
        if self.matches(params):
            return ""
        value = params.get(self.name)
        actual = "missing" if value is None else f"`{value}`"
        if self.value is not None:
            return f"query parameter `{self.name}` must be {self.value.wanted}, is {actual}"
        wanted = "absent" if self.present is False else "present"
        return f"query parameter `{self.name}` must be {wanted}, is {actual}"

    @property
    def note(self) -> str:
        """What could not be modelled."""
        return self.value.note if self.value is not None else ""


def compile_query_parameter_matcher(msg: Msg, ref: Ref | None = None) -> QueryParameterMatcher:
    """Compile ``msg``; without a specifier the parameter has to be present."""
    kind = msg.WhichOneof("query_parameter_match_specifier")
    if kind == "present_match":
        return QueryParameterMatcher(msg.name, msg.present_match, None)
    value = compile_string_matcher(msg.string_match, ref) if kind == "string_match" else None
    return QueryParameterMatcher(msg.name, None, value)
