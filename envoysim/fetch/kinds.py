"""The kinds of xDS resources: their types, and how they are asked for."""

from __future__ import annotations

from typing import Final

from ..lazy_dataclass import dataclass
from ..load.resource import TYPES
from ..schema import type_name


@dataclass(frozen=True, slots=True)
class Kind:
    """``wildcard``: everything the server has for the node, instead of names."""

    kind: str
    title: str
    wildcard: bool = False

    @property
    def url(self) -> str:
        """The type URL."""
        return f"type.googleapis.com/{TYPES[self.kind]}"


KINDS: Final = (
    Kind("cluster", "clusters", wildcard=True),
    Kind("endpoint", "endpoints"),
    Kind("listener", "listeners", wildcard=True),
    Kind("extension_config", "ecds"),
    Kind("scoped_route", "scoped_routes", wildcard=True),
    Kind("route_configuration", "routes"),
    Kind("secret", "secrets"),
)
"""In the order in which Envoy asks."""
BY_KIND: Final = {kind.kind: kind for kind in KINDS}
BY_TYPE: Final = {type_name(kind.url): kind for kind in KINDS}
