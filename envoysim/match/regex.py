"""Regular expressions as Envoy runs them: RE2, full match (``source/common/common/regex.h``).

Only RE2 is used, never ``re``: what RE2 refuses (look-ahead, back-references), Envoy rejects too. Matching goes
through ``re2.Set``, which answers a full match several times faster than a pattern object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from os.path import commonprefix
from typing import Any, Final

import re2

MEMORY: Final = 64 << 20
"""How much an automaton may use at least; RE2's default is too small for hundreds of patterns."""
MEMORY_PER_PATTERN: Final = 32 << 10
_SPECIAL: Final = re.compile(r"[\\^$.*+?()\[\]{}]")
"""Where the plain beginning of a pattern ends."""
_ESCAPE_OR_CLASS: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_INNERMOST_GROUP: Final = re.compile(r"\([^()]*\)")
SET_SIZE: Final = 10_000
"""Every set is asked, so one large set answers sooner than several small ones."""


def _options(patterns: int = 1) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = max(MEMORY, patterns * MEMORY_PER_PATTERN)
    return options


class Regex:
    """One compiled pattern. ``error`` is RE2's complaint, and the pattern then matches nothing."""

    __slots__ = ("_compiled", "_set", "error", "pattern")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.error = ""
        self._compiled: Any = None
        self._set: Any = None
        try:
            self._compiled = re2.compile(pattern, _options())
        except re2.error as problem:
            text = problem.args[0] if problem.args else problem
            self.error = text.decode() if isinstance(text, bytes) else str(text)

    def matches(self, text: str) -> bool:
        """Tell whether the whole of ``text`` matches (``RE2::FullMatch``)."""
        matcher = self._set
        if matcher is None:
            if self.error:
                return False
            matcher = self._set = _compile_set([self.pattern])
        return bool(matcher.Match(text))

    def groups(self, text: str) -> tuple[str, ...] | None:
        """Return the whole match and its groups for a full match, ``None`` without one."""
        found = self._compiled.fullmatch(text) if self._compiled is not None else None
        return None if found is None else (found.group(0), *(g or "" for g in found.groups()))

    @property
    def group_names(self) -> dict[str, int]:
        """Named groups with their number."""
        return dict(self._compiled.groupindex) if self._compiled is not None else {}

    def replace_all(self, text: str, rewrite: str) -> str:
        r"""Replace every match as ``RE2::GlobalReplace`` does: ``\0`` to ``\9`` stand for groups.

        A rewrite that names a group the pattern lacks changes nothing.
        """
        compiled = self._compiled
        parts = _parse_rewrite(rewrite)
        if compiled is None or parts is None or any(isinstance(p, int) and p > compiled.groups for p in parts):
            return text
        out: list[str] = []
        last = -1
        position = 0
        for found in compiled.finditer(text):
            start, end = found.span()
            if start == end == last:
                continue  # no empty match right behind the previous one
            out.append(text[position:start])
            out.extend(part if isinstance(part, str) else (found.group(part) or "") for part in parts)
            position = last = end
        out.append(text[position:])
        return "".join(out)


@lru_cache(maxsize=4096)
def _parse_rewrite(rewrite: str) -> tuple[str | int, ...] | None:
    parts: list[str | int] = []
    literal = ""
    characters = iter(rewrite)
    for character in characters:
        if character != "\\":
            literal += character
            continue
        following = next(characters, "")
        if following.isascii() and following.isdigit():
            if literal:
                parts.append(literal)
                literal = ""
            parts.append(int(following))
        elif following == "\\":
            literal += following
        else:
            return None
    if literal:
        parts.append(literal)
    return tuple(parts)


@lru_cache(maxsize=65536)
def compile_regex(pattern: str) -> Regex:
    """Compile ``pattern`` once per process."""
    return Regex(pattern)


def _compile_set(patterns: Sequence[str]) -> Any:
    matcher = re2.Set.FullMatchSet(_options(len(patterns)))
    for pattern in patterns:
        matcher.Add(pattern)
    matcher.Compile()
    return matcher


def literal_prefix(pattern: str) -> str:
    """Return plain characters that every match of ``pattern`` begins with; perhaps not all of them."""
    if "|" in pattern and _has_alternatives(pattern):
        return ""
    end = _SPECIAL.search(pattern)
    if end is None:
        return pattern
    # What may be missing or repeated is no part of it.
    return pattern[: end.start() - 1] if end[0] in "*+?{" and end.start() else pattern[: end.start()]


def _has_alternatives(pattern: str) -> bool:
    """Tell whether there is a ``|`` outside of groups."""
    rest, groups = _ESCAPE_OR_CLASS.sub("", pattern), 1
    while groups:
        rest, groups = _INNERMOST_GROUP.subn("", rest)
    return "|" in rest or r"\Q" in pattern


class RegexSet:
    """Many patterns asked at once: which of them match the whole text.

    The cost of a question does not grow with the number of patterns. Patterns RE2 refuses never match.
    """

    __slots__ = ("_prefix", "_sets")

    def __init__(self, numbered: Iterable[tuple[int, Regex]]) -> None:
        valid = [(number, regex.pattern) for number, regex in numbered if not regex.error]
        chunks = [valid[start : start + SET_SIZE] for start in range(0, len(valid), SET_SIZE)]
        self._prefix = commonprefix([literal_prefix(p) for _, p in valid])  # noqa: RUF071  # texts, not paths
        self._sets = [(_compile_set([p for _, p in chunk]), tuple(n for n, _ in chunk)) for chunk in chunks]

    def matching(self, text: str) -> list[int]:
        """Return the numbers of the patterns that match, in no particular order."""
        if not text.startswith(self._prefix):
            return []
        return [numbers[index] for matcher, numbers in self._sets for index in matcher.Match(text) or ()]
