"""Which virtual host owns a host name (``RouteMatcher::findVirtualHost``).

Exact domains first, then the longest suffix wildcard (``*.foo.com``), then the longest prefix wildcard (``foo.*``),
then ``*``. A wildcard stands for at least one character. Position in the list never matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ..match.string_matcher import ascii_lower
from ..model.ref import Ref
from ..model.trace import Rejected

Owner = tuple[int, int]
"""Position of a virtual host, and of the domain in it."""
Wildcards = list[tuple[int, dict[str, Owner]]]
MOST_LOSERS: Final = 50


class DomainIndex:
    """The domains of a route configuration."""

    __slots__ = ("_default", "_domains", "_exact", "_prefixes", "_suffixes", "only_default")

    def __init__(self, domains: Iterable[Sequence[str]]) -> None:
        self._domains = [list(names) for names in domains]
        self._exact: dict[str, Owner] = {}
        self._default: Owner | None = None
        suffixes: dict[int, dict[str, Owner]] = {}
        prefixes: dict[int, dict[str, Owner]] = {}
        for host, names in enumerate(self._domains):
            for position, name in enumerate(names):
                domain, owner = ascii_lower(name), (host, position)
                if "*" not in domain:
                    self._exact.setdefault(domain, owner)
                elif domain == "*":
                    self._default = self._default or owner
                elif domain.startswith("*"):
                    suffixes.setdefault(len(domain) - 1, {}).setdefault(domain[1:], owner)
                elif domain.endswith("*"):  # a star elsewhere is a character
                    prefixes.setdefault(len(domain) - 1, {}).setdefault(domain[:-1], owner)
                else:
                    self._exact.setdefault(domain, owner)
        self._suffixes: Wildcards = sorted(suffixes.items(), reverse=True)
        self._prefixes: Wildcards = sorted(prefixes.items(), reverse=True)
        self.only_default = not (self._exact or self._suffixes or self._prefixes)
        """No domain but ``*``: the request's host is not even read."""

    @property
    def default(self) -> Owner | None:
        """The owner of ``*``."""
        return self._default

    def domain(self, owner: Owner) -> str:
        """Return a domain as configured."""
        return self._domains[owner[0]][owner[1]]

    def find(self, host: str) -> Owner | None:
        """Return the owner of ``host`` (in lower case)."""
        owner = self._exact.get(host)
        if owner is not None:
            return owner
        size = len(host)
        for length, table in self._suffixes:
            if length < size and (owner := table.get(host[size - length :])) is not None:
                return owner
        for length, table in self._prefixes:
            if length < size and (owner := table.get(host[:length])) is not None:
                return owner
        return self._default

    def explain(self, host: str, winner: Owner | None, ref: Ref) -> tuple[Rejected, ...]:
        """Name the domains that match too but less specifically, else those that are close to ``host``."""
        at = ref.at("virtual_hosts")
        matching = [
            Rejected(at.at(owner[0], "domains", owner[1]), f"`{self.domain(owner)}` is less specific")
            for owner in self._matching(host)
            if owner != winner
        ]
        return tuple(matching[:MOST_LOSERS]) or tuple(
            Rejected(at.at(owner[0], "domains", owner[1]), f"`{self.domain(owner)}` is not `{host}`{reason}")
            for owner, reason in self._near(host)
            if owner != winner
        )

    def _matching(self, host: str) -> Iterator[Owner]:
        size = len(host)
        if (owner := self._exact.get(host)) is not None:
            yield owner
        yield from (o for n, t in self._suffixes if n < size and (o := t.get(host[size - n :])) is not None)
        yield from (o for n, t in self._prefixes if n < size and (o := t.get(host[:n])) is not None)
        if self._default is not None:
            yield self._default

    def _near(self, host: str) -> Iterator[tuple[Owner, str]]:
        name, colon, _ = host.rpartition(":")
        bare = name if colon else host
        for other, reason in ((bare, ": the port counts"), (bare.rstrip("."), ": the trailing dot counts")):
            if other != host and (owner := self._exact.get(other)) is not None:
                yield owner, reason
                return
        for length, table in self._suffixes:
            if host in (suffix := next((s for s in table if s in (host, "." + host)), ""), suffix[1:]) and suffix:
                yield table[suffix], f": `*` stands for at least one character ({length + 1} wanted)"
                return
        from difflib import get_close_matches

        for close in get_close_matches(host, self._exact, n=3, cutoff=0.7):
            yield self._exact[close], " (nearest miss)"
