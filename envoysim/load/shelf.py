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
SEARCHES: Final = 4
"""How many names are looked for before all are remembered."""

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

    def find(self, name: object) -> Resource | None:
        """Look for a name; raises KeyError or TypeError at an element that is not as usual."""
        field, key = self._name_at
        for index, item in enumerate(self._items):
            if item[field][key] == name:
                return self.at(index)
        return None

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
    """Resources by name; the first of a name is kept.

    The first few names that are asked for are looked for in the lists as they stand, which takes half the time and none
    of the memory that it takes to remember every name; then the lists are read once, as far as needed.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = list(entries)
        self._searches = 0
        self._found: dict[object, Resource] = {}
        self._places: dict[str, Resource | int] = {}
        self._shelves: list[Shelf] = []
        self._starts: list[int] = []
        """Places on shelves are numbered through; these are the numbers of each shelf's first."""
        self._unread = self._read()

    def _read(self) -> Iterator[None]:
        """Learn some names at every step."""
        places, start = self._places, 0
        for entry in self._entries:
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

    def _find(self, name: object) -> Resource | None:
        found = self._found.get(name)
        if found is None and self._searches < SEARCHES:
            self._searches += 1
            try:
                found = next((one for entry in self._entries if (one := _look(entry, name)) is not None), None)
            except (KeyError, TypeError):
                self._searches = SEARCHES
        if found is None and (place := self._place(name)) is not None:
            found = place if isinstance(place, Resource) else self._at(place)
        if found is not None:
            self._found[name] = found
        return found

    def _place(self, name: object) -> Resource | int | None:
        known = name in self._places or any(name in self._places for _ in self._unread)
        return self._places[str(name)] if known else None

    def _at(self, place: int) -> Resource:
        shelf = bisect_right(self._starts, place) - 1
        return self._shelves[shelf].at(place - self._starts[shelf])

    def __getitem__(self, name: str) -> Resource:
        found = self._find(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        self._read_all()
        return iter(self._places)

    def __len__(self) -> int:
        self._read_all()
        return len(self._places)

    def __bool__(self) -> bool:
        return bool(self._places) or any(self._places for _ in self._unread)

    def __contains__(self, name: object) -> bool:
        return self._find(name) is not None

    def _read_all(self) -> None:
        for _ in self._unread:
            pass


def _look(entry: Entry, name: object) -> Resource | None:
    if isinstance(entry, Shelf):
        return entry.find(name)
    return entry if entry.name == name else None
