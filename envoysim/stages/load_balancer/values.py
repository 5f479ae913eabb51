"""Comparing metadata values as ``google.protobuf.Value``: by type, not only by value."""

from __future__ import annotations

Frozen = tuple[object, ...]


def freeze(value: object) -> Frozen:
    """Return a hashable stand-in that is equal only for equal values of one kind: ``true``, 1, ``"1"`` differ."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, (int, float)):
        return ("number", float(value))
    if isinstance(value, str):
        return ("string", value)
    if isinstance(value, list):
        return ("list", tuple(freeze(item) for item in value))
    if isinstance(value, dict):
        return ("struct", tuple(sorted((key, freeze(item)) for key, item in value.items())))
    return ("null",)


def label_matches(actual: object, wanted: object, lists: bool) -> bool:
    """Compare a host's value with a label; with ``lists`` a list matches by any item (``metadataLabelMatch``)."""
    if lists and isinstance(actual, list):
        return any(freeze(item) == freeze(wanted) for item in actual)
    return freeze(actual) == freeze(wanted)
