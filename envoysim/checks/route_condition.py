"""What a route asks of a request, as literals over independent dimensions.

A dimension is a part of the request: the path, a header, a query parameter, a cookie, the draw of a fraction, a fact
about the connection. A literal says of one dimension whether it may be absent, and what must hold of its value where
it is there. A header that may come on several lines has a set of values: ``some`` asks for one that fits, ``none``
that none does. A route's condition is the conjunction of its literals; the negation of a literal is one literal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from typing import Literal as Word

from ..lazy_dataclass import dataclass
from ..match.header_matcher import HeaderMatcher, compile_header_matcher
from ..match.path_matcher import compile_path_specifier
from ..match.uri_template import template_to_regex
from ..model.headers import REQUEST_INLINE
from ..schema import Msg
from ..stages.runtime import Runtime, compile_runtime_fraction
from .language import Texts, Unsupported, numbers, opaque, texts
from .language.texts import before_query

Kind = Word["any", "never", "some", "none"]
Value = str | tuple[str, ...] | None
"""A dimension's value in an example: ``None`` is absent; several values where a header comes on several lines."""
DUAL: Final[dict[Kind, Kind]] = {"any": "never", "never": "any", "some": "none", "none": "some"}
PATH: Final = ":path"
CONNECT: Final = "is CONNECT"
_LEGACY: Final = {
    "exact_match": "exact",
    "prefix_match": "prefix",
    "suffix_match": "suffix",
    "contains_match": "contains",
}
_PATH_KINDS: Final = {"path": "exact", "prefix": "prefix", "path_separated_prefix": "segments"}


@dataclass(frozen=True, slots=True)
class Literal:
    """One condition on one dimension."""

    dimension: str
    absent: bool
    kind: Kind
    texts: Texts | None = None

    @property
    def negation(self) -> Literal:
        """The literal that holds exactly where this one does not."""
        return Literal(self.dimension, not self.absent, DUAL[self.kind], self.texts)

    def holds(self, value: Value) -> bool:
        """Tell whether an example's value passes."""
        if value is None:
            return self.absent
        if self.texts is None:
            return self.kind == "any"
        has = self.texts.has
        found = has(value) if isinstance(value, str) else any(map(has, value))
        return found == (self.kind == "some")


@dataclass(frozen=True, slots=True)
class Condition:
    """A route's literals; ``unknown`` are the conditions that no literal can express, by what they say."""

    literals: tuple[Literal, ...]
    unknown: frozenset[str] = frozenset()

    def holds(self, values: dict[str, Value]) -> bool:
        """Tell whether an example passes all literals; a dimension it does not name is absent."""
        get = values.get
        return all(literal.holds(get(literal.dimension)) for literal in self.literals)


def condition(match: Msg, runtime: Runtime, *, whole_path: bool = False) -> Condition:
    """Translate a ``RouteMatch``; ``whole_path``: the path dimension holds the query too (see ``asks_whole_path``)."""
    literals: list[Literal] = []
    unknown: set[str] = set()
    for literal in _literals(match, runtime, whole_path):
        if isinstance(literal, str):
            unknown.add(literal)
        elif (reason := _outside(literal)) is not None:
            unknown.add(reason)
        else:
            literals.append(literal)
    return Condition(tuple(literals), frozenset(unknown))


def asks_whole_path(match: Msg) -> bool:
    """Tell whether a header matcher reads ``:path``, which holds the query."""
    return any(header.name.lower() == PATH for header in match.headers)


def single_valued(dimension: str) -> bool:
    """Tell dimensions that have one value at most from headers that may come on several lines."""
    return not dimension.startswith("header ") or dimension.removeprefix("header ") in REQUEST_INLINE


def _outside(literal: Literal) -> str | None:
    if literal.texts is None or literal.texts.kind not in ("regex", "opaque", "before query"):
        return None
    try:
        literal.texts.check()
    except Unsupported as problem:
        return f"{literal.dimension}: {problem}"
    return None


def _literals(match: Msg, runtime: Runtime, whole_path: bool) -> Iterator[Literal | str]:
    yield from _path(match, whole_path)
    if match.HasField("grpc"):
        yield Literal("header content-type", False, "some", texts("regex", r"application/grpc(?:\+.*)?"))
    for header in match.headers:
        yield _header(header)
    for parameter in match.query_parameters:
        dimension, kind = f"query {parameter.name}", parameter.WhichOneof("query_parameter_match_specifier")
        if kind == "string_match":
            yield Literal(dimension, False, "some", _string(parameter.string_match))
        elif kind == "present_match" and not parameter.present_match:
            yield Literal(dimension, True, "never")
        else:
            yield Literal(dimension, False, "any")
    for cookie in match.cookies:
        wanted = Literal(f"cookie {cookie.name}", False, "some", _string(cookie.string_match))
        yield wanted.negation if cookie.invert_match else wanted
    for word in ("presented", "validated"):
        if match.HasField("tls_context") and match.tls_context.HasField(word):
            yes = getattr(match.tls_context, word).value
            yield Literal(f"certificate {word}", not yes, "any" if yes else "never")
    for name in ("dynamic_metadata", "filter_state"):
        for asked in getattr(match, name):
            yield f"{name} {asked.SerializeToString(deterministic=True).hex()}"
    if match.HasField("runtime_fraction"):
        yield from _fraction(match.runtime_fraction, runtime)


def _path(match: Msg, whole_path: bool) -> Iterator[Literal | str]:
    specifier = compile_path_specifier(match)
    if specifier.kind == "connect_matcher":
        yield Literal(CONNECT, False, "any")
        return
    if specifier.kind == "unmodelled":
        yield f"path: {specifier.note}"
        return
    if specifier.kind == "path_match_policy":
        wanted = texts("regex", template_to_regex(specifier.original))
    elif specifier.kind == "safe_regex":
        wanted = texts("regex", specifier.text)
    else:
        wanted = texts(_PATH_KINDS[specifier.kind], specifier.text, any_case=not specifier.case_sensitive)
    yield Literal(PATH, False, "some", before_query(wanted) if whole_path else wanted)


def _header(msg: Msg) -> Literal:
    compiled = compile_header_matcher(msg)
    dimension = PATH if compiled.name == PATH else f"header {compiled.name}"
    missing, kind = msg.treat_missing_header_as_empty, msg.WhichOneof("header_match_specifier")
    if compiled.test is None:
        return _presence(dimension, compiled)
    wanted = _header_texts(msg, kind)
    if wanted is None:
        present: Kind = "never" if compiled.invert else "any"
        return Literal(dimension, missing and not compiled.invert, present)
    if compiled.invert:
        return Literal(dimension, missing and not wanted.has(""), "none", wanted)
    return Literal(dimension, missing and wanted.has(""), "some", wanted)


def _presence(dimension: str, compiled: HeaderMatcher) -> Literal:
    wanted = compiled.present != compiled.invert
    if compiled.missing_is_empty:  # then it always counts as present
        return Literal(dimension, wanted, "any" if wanted else "never")
    return Literal(dimension, not wanted, "any" if wanted else "never")


def _header_texts(msg: Msg, kind: str) -> Texts | None:
    """The values a matcher fits, before inversion; ``None`` for all of them."""
    if kind == "range_match":
        return numbers(msg.range_match.start, msg.range_match.end)
    if kind == "string_match":
        return _string(msg.string_match)
    if kind == "safe_regex_match":
        return texts("regex", msg.safe_regex_match.regex)
    text = getattr(msg, kind)
    return None if kind == "exact_match" and not text else texts(_LEGACY[kind], text)


def _string(msg: Msg) -> Texts:
    kind = msg.WhichOneof("match_pattern")
    if kind == "safe_regex":
        return texts("regex", msg.safe_regex.regex)
    if kind in ("exact", "prefix", "suffix", "contains"):
        return texts(kind, getattr(msg, kind), any_case=msg.ignore_case)
    return opaque(f"string matcher `{msg.custom.name}`")


def _fraction(msg: Msg, runtime: Runtime) -> Iterator[Literal | str]:
    fraction = compile_runtime_fraction(msg)
    numerator, denominator = fraction.share(runtime)
    if fraction.key and fraction.key not in runtime:
        yield f"runtime key `{fraction.key}` (default {numerator} of {denominator})"
    elif numerator < denominator:
        yield Literal(f"draw of {denominator}", False, "some", numbers(0, numerator))


__all__ = ["CONNECT", "PATH", "Condition", "Literal", "Value", "asks_whole_path", "condition", "single_valued"]
