"""The names on the way to a place: listener → route configuration → virtual host → route.

They are what a person calls the place by, and they stay when a dump lists its resources in another order: with what
is said there they identify a finding from one dump to the next, which a pointer full of indices does not.
"""

from __future__ import annotations

import re
from functools import cached_property
from hashlib import blake2s
from typing import Final

from ..load.dump import descend
from ..load.lazy import Node, get, is_list, is_object, plain, text
from ..model.finding import Finding, Named
from ..model.ref import Ref
from .subject import Subject

FIELDS: Final = {
    "listener": ("listener", "name"),
    "cluster": ("cluster", "name"),
    "endpoint_config": ("endpoints", "cluster_name"),
    "secret": ("secret", "name"),
    "failed_configuration": ("rejected", "name"),
    "route_config": ("route configuration", "name"),
    "default_filter_chain": ("default filter chain", "name"),
}
"""Messages by the field they stand in: what they are called, and where their name stands."""
ELEMENTS: Final = {
    "listeners": "listener",
    "clusters": "cluster",
    "secrets": "secret",
    "filter_chains": "filter chain",
    "http_filters": "HTTP filter",
    "virtual_hosts": "virtual host",
    "routes": "route",
}
"""What the elements of a list are called."""
KINDS: Final = {
    "listener": "listener",
    "route_configuration": "route configuration",
    "scoped_route": "scoped route",
    "cluster": "cluster",
    "endpoint": "endpoints",
    "secret": "secret",
    "extension_config": "extension",
    "virtual_host": "virtual host",
}
"""What resources are called; those without a dump around them are not told by the field they stand in."""

Path = tuple[str | int, ...]
NUMBER: Final = re.compile(r"`number \d+`")
"""How a message calls a route without a name."""


class Trails:
    """The names on the way to the places of one dump."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def of(self, ref: Ref) -> tuple[Named, ...]:
        """Return the names on the way to ``ref``, from the listener that uses it down."""
        ends = range(len(ref.path) + 1)
        users = next((u for end in ends if (u := self._users.get((ref.source, ref.path[:end])))), ())
        used = [Named("listener", users[0], more=len(users) - 1)] if users else []
        return (*used, *(named for named, _ in self._names(ref)[0]))

    def fingerprint(self, finding: Finding) -> str:
        """Return what identifies a finding: its rule, the names on the way, where below them, and what it says.

        A route without a name is known by what it matches.
        """
        names, below = self._names(finding.ref)
        ways = [f"{n.kind} {n.name or plain(get(node, 'match')) or n.index}" for n, node in names]
        words = [finding.code, *ways, *map(str, below), NUMBER.sub("", finding.message)]
        return blake2s("\0".join(words).encode(), digest_size=8).hexdigest()

    def _names(self, ref: Ref) -> tuple[list[tuple[Named, Node]], Path]:
        """The names from the top of the source down with what they name, and the way below the last of them."""
        documents = self._subject.dump.documents
        node: Node = documents[ref.source].root if ref.source < len(documents) else None
        found: list[tuple[Named, Node]] = []
        begin = 0
        before: str | int = ""
        for end, part in enumerate(ref.path, start=1):
            siblings, (node, _) = node, descend(node, part)
            named = _named(before, part, node, siblings)
            if named is not None:
                found.append((named, node))
                begin = end
            before = part
        if ref.path[:1] != ("configs",) and (bare := self._bare(ref)) is not None:
            resource, end = bare
            if all(named != resource for named, _ in found):
                found.insert(0, (resource, None))
                begin = max(begin, end)
        return found, ref.path[begin:]

    def _bare(self, ref: Ref) -> tuple[Named, int] | None:
        """The innermost resource a place stands in, with the length of its own place."""
        for end in range(len(ref.path), -1, -1):
            named = self._resources.get((ref.source, ref.path[:end]))
            if named is not None:
                return named, end
        return None

    @cached_property
    def _resources(self) -> dict[tuple[int, Path], Named]:
        some = (r for r in self._subject.dump.all_resources if r.kind in KINDS)
        return {(r.ref.source, r.ref.path): Named(KINDS[r.kind], r.name) for r in some}

    @cached_property
    def _users(self) -> dict[tuple[int, Path], tuple[str, ...]]:
        """The listeners that use each route configuration that is not a part of one."""
        found: dict[tuple[int, Path], tuple[str, ...]] = {}
        for table in self._subject.tables:
            managers = [m for m in table.managers if not _within(table.ref, m.ref)]
            found[table.ref.source, table.ref.path] = tuple(dict.fromkeys(m.listener.name for m in managers))
        return found


def _within(ref: Ref, other: Ref) -> bool:
    return ref.source == other.source and ref.path[: len(other.path)] == other.path


def _named(before: str | int, part: str | int, node: Node, siblings: Node) -> Named | None:
    """The name of what stands at ``part`` of the field ``before``; ``None`` where a person does not name it."""
    if not is_object(node):
        return None
    if isinstance(part, str):
        kind, key = FIELDS.get(part, ("", ""))
        return Named(kind, text(node, key)) if kind else None
    kind, name = ELEMENTS.get(str(before), ""), text(node, "name")
    alone = kind == "filter chain" and is_list(siblings) and len(siblings) == 1
    return Named(kind, name, None if name else part) if kind and (name or not alone) else None
