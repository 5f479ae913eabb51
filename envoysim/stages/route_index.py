"""Which routes of a list a path can match, in list order, without scanning the list.

Envoy asks route after route. The index answers the same at a cost that does not grow with their number: exact paths
are looked up in a dict, prefixes by each length that occurs, regexes and templates in RE2 sets. Where many routes
share one path condition (``prefix: /`` for every host, say), a header that they want values of tells them apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from heapq import merge
from itertools import chain
from typing import Final

from ..lazy_dataclass import dataclass
from ..match.path_matcher import PathSpecifier
from ..match.regex import RegexSet
from ..match.string_matcher import ascii_lower
from ..model.headers import HeaderMap

Exact = Mapping[str, str]
"""What a route wants headers to be exactly: a route whose header has no such value cannot match."""
NOTHING: Final[Sequence[int]] = ()
FEW: Final = 32


class Bucket:
    """The positions of routes with one path condition, ascending; a large bucket is split by one header's value."""

    __slots__ = ("_by_value", "_rest", "header", "positions")

    def __init__(self, positions: list[int]) -> None:
        self.positions = positions
        self.header = ""
        """By whose value it is split, "" where it is not."""
        self._by_value: dict[str, list[int]] = {}
        self._rest: list[int] = []

    def split(self, exact: Sequence[Exact]) -> None:
        """Sort the positions by the header that most routes want a value of."""
        if len(self.positions) <= FEW:
            return
        wanted = Counter(name for position in self.positions for name in exact[position])
        if not wanted:
            return
        self.header = max(wanted, key=lambda name: (len({exact[p].get(name) for p in self.positions}), name))
        for position in self.positions:
            value = exact[position].get(self.header)
            target = self._rest if value is None else self._by_value.setdefault(value, [])
            target.append(position)

    def select(self, headers: HeaderMap) -> Sequence[int]:
        """Return the positions that the header's values leave."""
        name = self.header
        if not name:
            return self.positions
        found = [p for v in {v for n, v in headers.items if n == name} if (p := self._by_value.get(v)) is not None]
        if not found:
            return self._rest
        if len(found) == 1 and not self._rest:
            return found[0]
        return list(merge(self._rest, *found))


@dataclass(slots=True)
class _Prefixes:
    """Prefixes by length, longest first."""

    by_length: list[tuple[int, dict[str, Bucket]]]

    def collect(self, path: str, found: list[Bucket], *, separated: bool) -> None:
        size = len(path)
        for length, table in self.by_length:
            if length > size:
                continue
            bucket = table.get(path[:length])
            if bucket is not None and (not separated or length == size or path[length] == "/"):
                found.append(bucket)


class _Table:
    """Exact paths and prefixes that share a case rule."""

    __slots__ = ("exact", "prefixes", "separated")

    def __init__(self, entries: Iterable[tuple[int, str, str]], exact_headers: Sequence[Exact]) -> None:
        self.exact: dict[str, Bucket] = {}
        lengths: dict[str, dict[int, dict[str, Bucket]]] = {"prefix": {}, "path_separated_prefix": {}}
        buckets: list[Bucket] = []
        for position, kind, text in entries:
            table = self.exact if kind == "path" else lengths[kind].setdefault(len(text), {})
            bucket = table.get(text)
            if bucket is None:
                bucket = table[text] = Bucket([])
                buckets.append(bucket)
            bucket.positions.append(position)
        for bucket in buckets:
            bucket.split(exact_headers)
        self.prefixes = _Prefixes(sorted(lengths["prefix"].items(), reverse=True))
        self.separated = _Prefixes(sorted(lengths["path_separated_prefix"].items(), reverse=True))

    def collect(self, path: str, found: list[Bucket]) -> None:
        bucket = self.exact.get(path)
        if bucket is not None:
            found.append(bucket)
        if self.prefixes.by_length:
            self.prefixes.collect(path, found, separated=False)
        if self.separated.by_length:
            self.separated.collect(path, found, separated=True)


class RouteIndex:
    """The path conditions of a route list, and the exact header values each route wants."""

    __slots__ = ("_any_case", "_case_sensitive", "_connect", "_regexes", "_templates", "takes_connect")

    def __init__(self, paths: Sequence[PathSpecifier], exact_headers: Sequence[Exact]) -> None:
        numbered = list(enumerate(paths))
        plain = [(i, p) for i, p in numbered if p.kind in ("path", "prefix", "path_separated_prefix")]
        self._case_sensitive = _Table(((i, p.kind, p.text) for i, p in plain if p.case_sensitive), exact_headers)
        folded = [(i, p.kind, p.text) for i, p in plain if not p.case_sensitive]
        self._any_case = _Table(folded, exact_headers) if folded else None
        self._regexes = _regex_set(numbered, "safe_regex")
        self._templates = _regex_set(numbered, "path_match_policy")
        connect = [i for i, p in numbered if p.kind == "connect_matcher"]
        self._connect = connect
        self.takes_connect = bool(connect)
        """Some route is for CONNECT requests: only then does it matter whether one is."""

    def candidates(
        self, path: str | None, template_path: str | None, headers: HeaderMap, *, connect: bool
    ) -> Iterable[int]:
        """Return the positions whose path condition holds, ascending, less those that ``headers`` rule out.

        ``path`` has no query; ``template_path`` is what URI templates see (path parameters are never cut for
        them). A request without path can only take CONNECT routes.
        """
        found: list[Bucket] = []
        selected: list[Sequence[int]] = []
        if path is not None:
            self._case_sensitive.collect(path, found)
            if self._any_case is not None:
                self._any_case.collect(ascii_lower(path), found)
            if self._regexes is not None and (positions := self._regexes.matching(path)):
                selected.append(sorted(positions))
            if self._templates is not None and (positions := self._templates.matching(template_path or "")):
                selected.append(sorted(positions))
        if connect:
            selected.append(self._connect)
        selected += [bucket.select(headers) if bucket.header else bucket.positions for bucket in found]
        if len(selected) == 1:
            return selected[0]
        if not selected:
            return NOTHING
        return sorted(chain(*selected)) if sum(map(len, selected)) <= FEW else merge(*selected)


def _regex_set(numbered: list[tuple[int, PathSpecifier]], kind: str) -> RegexSet | None:
    patterns = [(i, p.regex) for i, p in numbered if p.kind == kind and p.regex is not None]
    return RegexSet(patterns) if patterns else None
