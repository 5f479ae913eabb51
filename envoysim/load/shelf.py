"""The resources of one list of a dump, made when they are asked for: a mesh has tens of thousands of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from .resource import Resource


class Shelf:
    """Resources of one kind and state that stand in one list; only their names are known before they are made."""

    def __init__(self, kind: str, state: str, source: int, names: list[str], make: Callable[[int], Resource]) -> None:
        self.kind = kind
        self.state = state
        self.source = source
        self.names = names
        self._make = make
        self._made: dict[int, Resource] = {}

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Resource:
        found = self._made.get(index)
        if found is None:
            found = self._made[index] = self._make(index)
        return found

    def __iter__(self) -> Iterator[Resource]:
        return (self[index] for index in range(len(self.names)))


Entry: TypeAlias = Resource | Shelf


class ByName(Mapping[str, Resource]):
    """Resources by name; the first of a name is kept."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._places: dict[str, Resource | tuple[Shelf, int]] = {}
        for entry in entries:
            if isinstance(entry, Resource):
                self._places.setdefault(entry.name, entry)
            else:
                for index, name in enumerate(entry.names):
                    self._places.setdefault(name, (entry, index))

    def __getitem__(self, name: str) -> Resource:
        place = self._places[name]
        return place if isinstance(place, Resource) else place[0][place[1]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places
