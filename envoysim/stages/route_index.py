"""Which routes of a list a path can match, in list order, without scanning the list.

Envoy asks route after route. The index answers the same at a cost that does not grow with their number: exact paths
are looked up in a dict, prefixes by each length that occurs, regexes and templates in RE2 sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Final

from ..match.path_matcher import PathSpecifier
from ..match.regex import RegexSet
from ..match.string_matcher import ascii_lower

Positions = list[int]
NOTHING: Final[Sequence[int]] = ()
FEW: Final = 32


@dataclass(slots=True)
class _Prefixes:
    """Prefixes by length, longest first."""

    by_length: list[tuple[int, dict[str, Positions]]]

    def collect(self, path: str, found: list[Positions], *, separated: bool) -> None:
        size = len(path)
        for length, table in self.by_length:
            if length > size:
                continue
            positions = table.get(path[:length])
            if positions is not None and (not separated or length == size or path[length] == "/"):
                found.append(positions)


class _Table:
    """Exact paths and prefixes that share a case rule."""

    __slots__ = ("exact", "prefixes", "separated")

    def __init__(self) -> None:
        self.exact: dict[str, Positions] = {}
        self.prefixes = _Prefixes([])
        self.separated = _Prefixes([])

    def fill(self, entries: Iterable[tuple[int, str, str]]) -> None:
        lengths: dict[str, dict[int, dict[str, Positions]]] = {"prefix": {}, "path_separated_prefix": {}}
        for position, kind, text in entries:
            table = self.exact if kind == "path" else lengths[kind].setdefault(len(text), {})
            table.setdefault(text, []).append(position)
        self.prefixes.by_length = sorted(lengths["prefix"].items(), reverse=True)
        self.separated.by_length = sorted(lengths["path_separated_prefix"].items(), reverse=True)

    def collect(self, path: str, found: list[Positions]) -> None:
        positions = self.exact.get(path)
        if positions is not None:
            found.append(positions)
        if self.prefixes.by_length:
            self.prefixes.collect(path, found, separated=False)
        if self.separated.by_length:
            self.separated.collect(path, found, separated=True)


class RouteIndex:
    """The path conditions of a route list."""

    __slots__ = ("_any_case", "_case_sensitive", "_connect", "_regexes", "_templates")

    def __init__(self, paths: Sequence[PathSpecifier]) -> None:
        numbered = list(enumerate(paths))
        plain = [(i, p) for i, p in numbered if p.kind in ("path", "prefix", "path_separated_prefix")]
        self._case_sensitive = _Table()
        self._case_sensitive.fill((i, p.kind, p.text) for i, p in plain if p.case_sensitive)
        folded = [(i, p.kind, p.text) for i, p in plain if not p.case_sensitive]
        self._any_case: _Table | None = None
        if folded:
            self._any_case = _Table()
            self._any_case.fill(folded)
        self._regexes = _regex_set(numbered, "safe_regex")
        self._templates = _regex_set(numbered, "path_match_policy")
        self._connect: Positions = [i for i, p in numbered if p.kind == "connect_matcher"]

    def candidates(self, path: str | None, template_path: str | None, *, connect: bool) -> Iterable[int]:
        """Return the positions whose path condition holds, ascending.

        ``path`` has no query; ``template_path`` is what URI templates see (path parameters are never cut for
        them). A request without path can only take CONNECT routes.
        """
        found: list[Positions] = []
        if path is not None:
            self._case_sensitive.collect(path, found)
            if self._any_case is not None:
                self._any_case.collect(ascii_lower(path), found)
            if self._regexes is not None and (positions := self._regexes.matching(path)):
                found.append(sorted(positions))
            if self._templates is not None and (positions := self._templates.matching(template_path or "")):
                found.append(sorted(positions))
        if connect and self._connect:
            found.append(self._connect)
        if len(found) == 1:
            return found[0]
        if not found:
            return NOTHING
        if sum(map(len, found)) <= FEW:
            return sorted([position for positions in found for position in positions])
        return merge(*found)


def _regex_set(numbered: list[tuple[int, PathSpecifier]], kind: str) -> RegexSet | None:
    patterns = [(i, p.regex) for i, p in numbered if p.kind == kind and p.regex is not None]
    return RegexSet(patterns) if patterns else None
