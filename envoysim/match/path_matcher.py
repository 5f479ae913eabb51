"""Path specifiers of ``RouteMatch`` and ``envoy.type.matcher.v3.PathMatcher`` (``source/common/common/matchers.cc``).

All of them see the path without query and fragment, and nothing of it is decoded.
"""

from __future__ import annotations

from typing import Final

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from ..schema import Msg, any_type, unpack
from .regex import Regex, compile_regex
from .string_matcher import StringMatcher, ascii_lower, compile_string_matcher
from .uri_template import TemplateError, UriTemplateMatcher, compile_uri_template

URI_TEMPLATE: Final = "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"


def without_query(path: str) -> str:
    """Cut query and fragment (``PathUtil::removeQueryAndFragment``)."""
    position = path.find("?")
    if position >= 0:
        path = path[:position]
    position = path.find("#")
    return path if position < 0 else path[:position]


def without_parameters(path: str) -> str:
    """Cut what follows a ``;`` in each segment; the binary does so, its documentation speaks of everything after."""
    return "/".join([segment.partition(";")[0] for segment in path.split("/")])


@dataclass(frozen=True, slots=True)
class PathSpecifier:
    """The path condition of a route.

    ``kind`` is the field that is set: ``prefix``, ``path``, ``path_separated_prefix``, ``safe_regex``,
    ``path_match_policy``, ``connect_matcher``, or ``unmodelled``; ``text`` is its value (lower case where the case
    does not count). ``original`` is the text as configured: what ``prefix_rewrite`` cuts off.
    """

    kind: str
    text: str
    original: str
    case_sensitive: bool = True
    regex: Regex | None = None
    template: UriTemplateMatcher | None = None
    note: str = ""

    def matches(self, path: str) -> bool:
        """Tell whether ``path`` (without query) matches; CONNECT routes do not look at it."""
        kind, text = self.kind, self.text
        if self.regex is not None:
            return self.regex.matches(path)
        if not self.case_sensitive:
            path = ascii_lower(path)
        if kind == "prefix":
            return path.startswith(text)
        if kind == "path":
            return path == text
        if kind == "path_separated_prefix":
            return path.startswith(text) and path[len(text) : len(text) + 1] in ("", "/")
        return False

    def explain(self, path: str) -> str:
        """Say why ``path`` does not match; "" if it does."""
        if self.kind == "connect_matcher":
            return "the route is for CONNECT only"
        if self.matches(path):
            return ""
        if self.kind == "unmodelled":
            return self.note
        return f"path `{path}` is not {self}"

    def __str__(self) -> str:
        case = "" if self.case_sensitive else " in any case"
        words = {
            "prefix": "below prefix",
            "path": "exactly",
            "path_separated_prefix": "at or below",
            "safe_regex": "matched by regex",
            "path_match_policy": "matched by template",
        }
        return f"{words.get(self.kind, self.kind)} `{self.original}`{case}"


def compile_path_specifier(match: Msg) -> PathSpecifier:
    """Compile the path condition of a ``RouteMatch``; ``case_sensitive`` does not touch regexes and templates."""
    kind = match.WhichOneof("path_specifier")
    if kind in ("prefix", "path", "path_separated_prefix"):
        text = getattr(match, kind)
        sensitive = match.case_sensitive.value if match.HasField("case_sensitive") else True
        # The shared matcher for `/` and `` ignores the case flag, to no effect.
        return PathSpecifier(kind, text if sensitive else ascii_lower(text), text, sensitive)
    if kind == "safe_regex":
        pattern = match.safe_regex.regex
        regex = compile_regex(pattern)
        note = f"RE2 refuses `{pattern}`: {regex.error}" if regex.error else ""
        return PathSpecifier(kind, pattern, pattern, regex=regex, note=note)
    if kind == "connect_matcher":
        return PathSpecifier(kind, "", "")
    if kind == "path_match_policy":
        return _compile_policy(match.path_match_policy)
    return PathSpecifier("unmodelled", "", "", note="the route has no path specifier")


def _compile_policy(policy: Msg) -> PathSpecifier:
    inner = unpack(policy.typed_config)
    if inner is None or any_type(policy.typed_config) != URI_TEMPLATE:
        return PathSpecifier("unmodelled", "", "", note=f"path matcher `{policy.name}` is not modelled")
    try:
        template = compile_uri_template(inner.path_template)
    except TemplateError as problem:
        return PathSpecifier("unmodelled", "", "", note=str(problem))
    text = template.template
    return PathSpecifier("path_match_policy", text, text, regex=template.regex, template=template)


@dataclass(frozen=True, slots=True)
class PathMatcher:
    """A compiled ``envoy.type.matcher.v3.PathMatcher``: a string matcher on the path without its query."""

    path: StringMatcher

    def matches(self, path: str) -> bool:
        """Tell whether ``path`` matches; it may carry a query."""
        return self.path.matches(without_query(path))

    def explain(self, path: str) -> str:
        """Say why ``path`` does not match; "" if it does."""
        problem = self.path.explain(without_query(path))
        return f"path {problem}" if problem else ""


def compile_path_matcher(msg: Msg, ref: Ref | None = None) -> PathMatcher:
    """Compile ``msg``."""
    return PathMatcher(compile_string_matcher(msg.path, ref))
