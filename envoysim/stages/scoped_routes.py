"""Scoped routes: a key from request headers chooses the route table (``router/scoped_config_impl.cc``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..lazy_dataclass import dataclass
from ..model.headers import HeaderMap
from ..model.ref import Ref
from ..schema import Msg

if TYPE_CHECKING:
    from .route_configuration import RouteConfiguration

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FragmentBuilder:
    """A compiled ``header_value_extractor``: the element at an index, or the value of a key."""

    header: str
    separator: str
    index: int | None
    key: str
    key_separator: str

    def extract(self, headers: HeaderMap) -> str | None:
        """Return one part of the key; only the first line of the header counts, and nothing is trimmed."""
        value = headers.get(self.header)
        if value is None:
            return None
        elements = value.split(self.separator) if self.separator else [value]
        if self.index is not None:
            return elements[self.index] if self.index < len(elements) else None
        for element in elements:
            name, _, rest = element.partition(self.key_separator)
            if name == self.key:
                return rest
        return None

    def describe(self) -> str:
        """Say where the part comes from."""
        return f"`{self.header}`" + (f"[{self.index}]" if self.index is not None else f" `{self.key}`")


@dataclass(frozen=True, slots=True)
class Scope:
    """One ``ScopedRouteConfiguration``; ``routes`` is ``None`` where its route table is not in the dump."""

    ref: Ref
    name: str
    key: Key
    routes: RouteConfiguration | None
    route_configuration_name: str


def compile_fragment(msg: Msg) -> FragmentBuilder:
    """Compile one ``scope_key_builder.fragments`` entry."""
    extractor = msg.header_value_extractor
    by_index = extractor.WhichOneof("extract_type") == "index"
    return FragmentBuilder(
        extractor.name.lower(),
        extractor.element_separator,
        extractor.index if by_index else None,
        "" if by_index else extractor.element.key,
        "" if by_index else extractor.element.separator,
    )


def compute_key(fragments: Sequence[FragmentBuilder], headers: HeaderMap) -> Key | None:
    """Return the request's scope key; ``None`` where one part is missing."""
    parts: list[str] = []
    for fragment in fragments:
        part = fragment.extract(headers)
        if part is None:
            return None
        parts.append(part)
    return tuple(parts)


def scope_key(msg: Msg) -> Key:
    """Return the key of a ``ScopedRouteConfiguration``."""
    return tuple(fragment.string_key for fragment in msg.key.fragments)


def scopes_by_key(scopes: Sequence[Scope]) -> Mapping[Key, Scope]:
    """Index scopes; an empty key equals nothing, and of two equal keys the first one counts."""
    table: dict[Key, Scope] = {}
    for scope in scopes:
        if scope.key:
            table.setdefault(scope.key, scope)
    return table
