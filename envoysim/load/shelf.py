"""The resources of one list of a dump, made when they are asked for: a mesh has tens of thousands of each kind."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeAlias

from .lazy import Node
from .resource import Resource

BATCH: Final = 64
"""How many names are read at a time."""

Make: TypeAlias = Callable[[int, Node], Iterator[Resource]]
"""Makes the resource of an element, given its place in the list, and the one that was rejected where there is one."""


class Shelf:
    """Resources of one kind and state that stand in one list; nothing is read before it is asked for.

    ``name_at`` is where the name of the usual element stands: the resource's field, and the name's in it.
    """

    def __init__(
        self, kind: str, state: str, source: int, items: Sequence[Node], name_at: tuple[str, str], make: Make
    ) -> None:
        self.kind = kind
        self.state = state
        self.source = source
        self._items = items
        self._name_at = name_at
        self._make = make
        self._list: list[Node] | None = None
        self._made: dict[int, tuple[Resource, ...]] = {}

    def names(self) -> Iterator[list[tuple[str, int]]]:
        """Yield names and places of the resources that serve, some at a time."""
        field, key = self._name_at
        places = enumerate(self._items)
        while batch := list(islice(places, BATCH)):
            try:
                found = [(item[field][key], index) for index, item in batch]
                usual = {type(name) for name, _ in found} == {str}
            except (KeyError, TypeError):
                usual = False
            if usual:
                yield found
            else:
                yield [
                    (resource.name, index)
                    for index, item in batch
                    for resource in self._at(index, item)
                    if resource.state == self.state
                ]

    def at(self, index: int) -> Resource:
        """Return the resource at a place that ``names`` told."""
        if self._list is None and len(self._made) >= BATCH:  # simdjson steps over all elements before the one asked for
            self._list = list(self._items)
        items = self._items if self._list is None else self._list
        found = self._at(index, items[index])
        return next(resource for resource in found if resource.state == self.state)

    def _at(self, index: int, item: Node) -> tuple[Resource, ...]:
        found = self._made.get(index)
        if found is None:
            found = self._made[index] = tuple(self._make(index, item))
        return found

    def __iter__(self) -> Iterator[Resource]:
        """Yield every resource of the list, the rejected ones too."""
        for index, item in enumerate(self._items):
            yield from self._at(index, item)


Entry: TypeAlias = Resource | Shelf


class ByName(Mapping[str, Resource]):
    """Resources by name; the first of a name is kept. Lists are read as far as it takes to find what is asked for."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._places: dict[str, Resource | int] = {}
        self._shelves: list[Shelf] = []
        self._starts: list[int] = []
        """Places on shelves are numbered through; these are the numbers of each shelf's first."""
        self._unread = self._read(list(entries))

    def _read(self, entries: Iterable[Entry]) -> Iterator[None]:
        """Learn some names at every step."""
        places, start = self._places, 0
        for entry in entries:
            if isinstance(entry, Resource):
                places.setdefault(entry.name, entry)
                yield
                continue
            self._shelves.append(entry)
            self._starts.append(start)
            last = -1
            for batch in entry.names():
                for name, last in batch:
                    places.setdefault(name, start + last)
                yield
            start += last + 1

    def _find(self, name: object) -> bool:
        return name in self._places or any(name in self._places for _ in self._unread)

    def __getitem__(self, name: str) -> Resource:
        if not self._find(name):
            raise KeyError(name)
        place = self._places[name]
        if isinstance(place, Resource):
            return place
        shelf = bisect_right(self._starts, place) - 1
        return self._shelves[shelf].at(place - self._starts[shelf])

    def __iter__(self) -> Iterator[str]:
        self._read_all()
        return iter(self._places)

    def __len__(self) -> int:
        self._read_all()
        return len(self._places)

    def __bool__(self) -> bool:
        return bool(self._places) or any(self._places for _ in self._unread)

    def __contains__(self, name: object) -> bool:
        return self._find(name)

    def _read_all(self) -> None:
        for _ in self._unread:
            pass
