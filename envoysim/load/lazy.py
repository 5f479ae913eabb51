"""Read JSON that may be parsed lazily (simdjson) or whole (dict and list from YAML), in either spelling of a field."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, TypeAlias

import simdjson

Node: TypeAlias = Any
"""A simdjson Object or Array, or plain Python."""


@cache
def camel(name: str) -> str:
    """``virtual_hosts`` -> ``virtualHosts``."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def is_object(node: Node) -> bool:
    """Tell whether ``node`` is a JSON object."""
    return isinstance(node, (dict, simdjson.Object))


def is_list(node: Node) -> bool:
    """Tell whether ``node`` is a JSON array."""
    return isinstance(node, (list, simdjson.Array))


def get(node: Node, name: str) -> Node:
    """Return the field ``name`` (proto spelling; camelCase is looked for too), or ``None``."""
    key = _own_key(node, name)
    return None if key is None else node[key]


def expected(node: Node, name: str) -> Node:
    """The same for a field that is nearly always there, in proto spelling: no key is listed then."""
    try:
        return node[name]
    except KeyError:
        return get(node, name)


def key_of(node: Node, name: str) -> str:
    """Return the spelling of ``name`` that ``node`` uses; ``name`` itself when it has neither."""
    return _own_key(node, name) or name


def _own_key(node: Node, name: str) -> str | None:
    # simdjson answers a missing key by an exception inside: listing the keys is five times faster
    keys = node if isinstance(node, dict) else [*node]
    if name in keys:
        return name
    if "_" in name and (other := camel(name)) in keys:
        return other
    return None


def elements(node: Node, name: str) -> Iterator[tuple[int, Node]]:
    """Yield ``(index, element)`` of the list field ``name``; nothing when it is absent or no list."""
    value = get(node, name)
    if is_list(value):
        yield from enumerate(value)


def plain(node: Node) -> Any:
    """Return ``node`` as plain Python."""
    if isinstance(node, simdjson.Object):
        return node.as_dict()
    if isinstance(node, simdjson.Array):
        return node.as_list()
    return node


def text(node: Node, name: str) -> str:
    """Return the text field ``name``, "" when it is absent or no text."""
    value = get(node, name)
    return value if isinstance(value, str) else ""
