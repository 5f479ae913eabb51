"""URI templates of path matchers and rewrites (``source/extensions/path/uri_template_lib``).

``*`` is one segment, ``**`` the rest (only last), ``{name}`` a variable of one segment, ``{name=pattern}`` one of its
own pattern. A segment may mix text and one variable (``v{version}``, ``{id}.json``).
"""

from __future__ import annotations

from typing import Final

from ..lazy_dataclass import dataclass
from .regex import Regex, compile_regex

_LITERAL: Final = r"a-zA-Z0-9-._~%!$&'()+,;:@=*"
_GLOB: Final = f"[{_LITERAL}]+"
_TEXT_GLOB: Final = f"[{_LITERAL}/]*"
_ESCAPED: Final = str.maketrans({character: "\\" + character for character in "$()+."})


class TemplateError(ValueError):
    """A template that Envoy rejects."""


def template_to_regex(template: str) -> str:
    """Turn a path template into the regular expression Envoy builds of it (``convertPathPatternSyntaxToRegex``)."""
    if not template.startswith("/"):
        raise TemplateError(f"template `{template}` does not start with `/`")
    return "/" + "/".join(map(_segment, _split_segments(template[1:])))


def _split_segments(text: str) -> list[str]:
    """Split at the slashes outside of braces."""
    segments, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if character == "/" and not depth:
            segments.append(text[start:position])
            start = position + 1
    segments.append(text[start:])
    return segments


def _segment(segment: str) -> str:
    if segment.startswith("**"):
        return _TEXT_GLOB + _literal(segment[2:])
    if segment.startswith("*"):
        return _GLOB + _literal(segment[1:])
    if "{" not in segment:
        return _literal(segment)
    before, _, rest = segment.partition("{")
    inside, closed, after = rest.partition("}")
    if not closed:
        raise TemplateError(f"unmatched bracket in `{segment}`")
    name, equals, pattern = inside.partition("=")
    inner = "/".join(_part(part) for part in pattern.split("/")) if equals else _GLOB
    return f"{_literal(before)}(?P<{name}>{inner}){_literal(after)}"


def _part(part: str) -> str:
    return {"*": _GLOB, "**": _TEXT_GLOB}.get(part) or _literal(part)


def _literal(text: str) -> str:
    return text.translate(_ESCAPED)


@dataclass(frozen=True, slots=True)
class UriTemplateMatcher:
    """A compiled ``UriTemplateMatchConfig``."""

    template: str
    regex: Regex

    def matches(self, path: str) -> bool:
        """Tell whether the path (without its query) matches as a whole; the case counts."""
        return self.regex.matches(path)


def compile_uri_template(template: str) -> UriTemplateMatcher:
    """Compile a match template."""
    return UriTemplateMatcher(template, compile_regex(template_to_regex(template)))


@dataclass(frozen=True, slots=True)
class UriTemplateRewrite:
    """A compiled ``UriTemplateRewriteConfig``: text, and variables by name."""

    parts: tuple[tuple[str, bool], ...]

    def rewrite(self, path: str, matcher: UriTemplateMatcher) -> str | None:
        """Return the new path, or ``None`` where ``path`` does not match the template."""
        groups = matcher.regex.groups(path)
        if groups is None:
            return None
        names = matcher.regex.group_names
        return "".join(groups[names[text]] if is_variable else text for text, is_variable in self.parts)


def compile_uri_template_rewrite(template: str) -> UriTemplateRewrite:
    """Compile a rewrite template: ``/new/{name}/x``."""
    parts: list[tuple[str, bool]] = []
    rest = template
    while rest:
        text, bracket, rest = rest.partition("{")
        if text:
            parts.append((text, False))
        if bracket:
            name, _, rest = rest.partition("}")
            parts.append((name, True))
    return UriTemplateRewrite(tuple(parts))
